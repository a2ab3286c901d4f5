import { type NamespaceObject, ruleText } from '../object.js';
import type { Aspect } from './difference.js';

const forwardingFlag = { masquerade: '-m', direct: '-g', tunnel: '-i' } as const;

/** An object, or what of it differs, as the tool prints it that shows it. */
export function wordsOf(object: NamespaceObject, aspect: Aspect): string {
  switch (object.kind) {
    case 'link':
      return linkWords(object.link, aspect);
    case 'port':
      return `${object.link} master ${object.master}`;
    case 'address':
      return `inet ${object.address.address}/${object.address.prefixLength} dev ${object.link}`;
    case 'route': {
      const { destination, via, link } = object.route;
      return `${destination}${via === null ? '' : ` via ${via}`}${link === null ? '' : ` dev ${link}`}`;
    }
    case 'neighbour': {
      const { address, link, mac, state } = object.neighbour;
      return `${address} dev ${link} lladdr ${mac ?? 'none'} ${state}`;
    }
    case 'forwarding':
      return `${object.forwarding.mac} dev ${object.forwarding.link} dst ${object.forwarding.vtep} self permanent`;
    case 'chain':
      return `-t ${object.chain.table} -N ${object.chain.chain}`;
    case 'rule':
      return `-t ${object.rule.table} -A ${ruleText(object.rule)}`;
    case 'virtual-server': {
      const { mark, scheduler, persistence } = object.virtualServer;
      return `-A -f ${mark} -s ${scheduler}${persistence === 0 ? '' : ` -p ${persistence}`}`;
    }
    case 'real-server': {
      const { mark, address, port, forwarding, weight } = object.realServer;
      return `-a -f ${mark} -r ${address}:${port} ${forwardingFlag[forwarding]} -w ${weight}`;
    }
    case 'sysctl':
      return `${object.name} = ${object.value}`;
  }
}

function linkWords({ name, mtu, up, mac, vxlan, master, addresses }: Extract<NamespaceObject, { kind: 'link' }>['link'], aspect: Aspect): string {
  const device = vxlan === null ? 'no vxlan' : undefined;
  switch (aspect) {
    case 'up':
      return `${name} ${up ? 'up' : 'down'}`;
    case 'mtu':
      return `${name} mtu ${mtu}`;
    case 'mac':
      return `${name} link/ether ${mac ?? 'none'}`;
    case 'vni':
      return `${name} ${device ?? `vxlan id ${vxlan?.vni}`}`;
    case 'port':
      return `${name} ${device ?? `vxlan dstport ${vxlan?.port}`}`;
    case 'proxy':
      return `${name} ${device ?? `vxlan ${vxlan?.proxy ? 'proxy' : 'noproxy'}`}`;
    default:
      // Its name is drawn, or given as it comes.
      if (vxlan === null && addresses.length > 0)
        return `a veth with ${addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`).join(' and ')} mtu ${mtu}`;
      if (master !== null && vxlan === null) return `a veth with master ${master} mtu ${mtu}`;
      return `${name} ${vxlan === null ? '' : `vxlan id ${vxlan.vni} dstport ${vxlan.port} proxy `}mtu ${mtu}`;
  }
}
