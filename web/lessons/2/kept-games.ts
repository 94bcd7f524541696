// Games that outlive a reload: what the worker keeps of them, in the browser's database, a game under its number.
// Nothing depends on it: where it is forbidden or full, a game is played again from its moves.
import type { GameNumber, GanSkill, KeptGame } from "../../runtime/client.js";

export interface Stored {
  version: string; // of the graph and of this shape
  seed: number;
  moves: string;
  skills: GanSkill[];
  game: KeptGame;
}

/** Of the graph with this checksum. */
export function versionOf(sha256: string): string {
  return `1 ${sha256}`;
}

const STORE = "games";

function ask<T>(mode: IDBTransactionMode, request: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    try {
      const opening = indexedDB.open("bozzetto.games", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onerror = opening.onblocked = () => resolve(undefined);
      opening.onsuccess = () => {
        const database = opening.result;
        const transaction = database.transaction(STORE, mode);
        const asked = request(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(asked.result);
        transaction.onerror = transaction.onabort = () => resolve(undefined);
        database.close(); // once the transaction is done
      };
    } catch {
      resolve(undefined); // forbidden
    }
  });
}

export async function storeGame(game: GameNumber, stored: Stored): Promise<void> {
  await ask("readwrite", (store) => store.put(stored, game));
}

export function storedGame(game: GameNumber): Promise<Stored | undefined> {
  return ask<Stored | undefined>("readonly", (store) => store.get(game) as IDBRequest<Stored | undefined>);
}

export async function dropGame(game: GameNumber): Promise<void> {
  await ask("readwrite", (store) => store.delete(game));
}
