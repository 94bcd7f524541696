/** What a cache has under this key, made at the first time. */
export function once<K, V>(
  cache: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  const known = cache.get(key) ?? make();
  cache.set(key, known);
  return known;
}
