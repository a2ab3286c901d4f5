import type { NewId } from '@portolan/intent';
import type { Id } from '@portolan/model';

/** For an edit that is run more than once on the same snapshot: each run is given the same ids, so what was shown is what is committed. */
export function repeatableIds(newId: NewId): () => NewId {
  const given: Id[] = [];
  return () => {
    let next = 0;
    return () => {
      const id = given[next] ?? newId();
      given[next] = id;
      next++;
      return id;
    };
  };
}
