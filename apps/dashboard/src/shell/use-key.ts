import { useWindowEvent } from '@mantine/hooks';

/** Whether letters that are typed now go into a field. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest('input, textarea, select') !== null);
}

/** Does something when a character is typed, or a key of that name pressed, outside of fields, on whatever keyboard and with whatever other keys it is made. */
export function useKey(character: string, act: () => void): void {
  useWindowEvent('keydown', (event) => {
    if (event.key !== character || event.ctrlKey || event.metaKey || event.defaultPrevented || isTyping(event.target)) return;
    event.preventDefault();
    act();
  });
}
