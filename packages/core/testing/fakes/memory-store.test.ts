import { stateStoreContract } from "../contracts/state-store.contract.ts";
import { MemoryStore } from "./memory-store.ts";

stateStoreContract("memory", async () => new MemoryStore(), undefined);
