const KEY = 'portolan.token';

/** The API token of whoever sits here; kept for the tab only. null: none was given. */
export function heldToken(): string | null {
  return sessionStorage.getItem(KEY);
}

export function holdToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
}

export function authorization(): Record<string, string> {
  const token = heldToken();
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
