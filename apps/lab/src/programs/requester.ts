/** requester.js URL COUNT: runs in a namespace of the lab and prints what was answered as JSON. */
import { requestTimes } from './requests.js';

const [url = '', count = '1'] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await requestTimes(url, Number(count))));
