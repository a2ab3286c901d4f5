import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { Provider } from 'urql';
import { createClient } from './client.js';
import { holdToken } from './token.js';

const SignIn = createContext<(token: string | null) => void>(() => {});

/** Takes a token (null: none) and begins anew with it. */
export function useSignIn(): (token: string | null) => void {
  return useContext(SignIn);
}

export function ApiProvider({ children }: { readonly children: ReactNode }) {
  const [{ client, dispose, number }, setSession] = useState(() => ({ ...createClient(), number: 0 }));
  useEffect(() => dispose, [dispose]);
  const signIn = useMemo(
    () => (token: string | null) => {
      holdToken(token);
      setSession((before) => ({ ...createClient(), number: before.number + 1 }));
    },
    [],
  );
  return (
    <SignIn.Provider value={signIn}>
      <Provider value={client} key={number}>
        {children}
      </Provider>
    </SignIn.Provider>
  );
}
