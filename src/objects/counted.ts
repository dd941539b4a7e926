import type { ObjectStore } from './port.js';

/** Signing happens here, without a request. */
const OFFLINE = /^presign/;

/** The same store; `onRequest` hears the name of each operation that goes to it, before it does. */
export function counted(store: ObjectStore, onRequest: (operation: string) => void): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (typeof name === 'string' && !OFFLINE.test(name)) onRequest(name);
        return Reflect.apply(member, target, args);
      };
    },
  });
}
