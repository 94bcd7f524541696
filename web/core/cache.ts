/** A map of bounded size: what was set longest ago makes room. */
export class Recent<K, V> extends Map<K, V> {
  constructor(private readonly most: number) {
    super();
  }

  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > this.most) this.delete(this.keys().next().value!);
    return this;
  }
}

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
