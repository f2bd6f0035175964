import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";

const volume = (id: string, virtiofsSource: string) => ({
  id,
  isReadOnly: false,
  mountPoint: undefined,
  containerSource: undefined,
  virtiofsSource,
  partitionId: undefined,
  sizeInMb: undefined,
});

test("a directory that the host does not share is refused at the request, each by its field", async () => {
  const world = new World(["user-network", "virtiofs"]);
  const { microvms, repository, reconciler } = await world.daemon();
  world.host.refusals.set("/etc", "is no directory that this host shares");
  world.host.refusals.set("/root", "is no directory that this host shares");
  const volumes = [volume("a", "/srv/a"), volume("b", "/etc"), volume("c", "/root")];
  await expect(microvms.create(wireInput({ additionalVolumes: volumes }))).rejects.toMatchObject({
    code: "invalid_spec",
    message: "additional_volumes[1].source.virtiofs_source: is no directory that this host shares",
    hint: expect.stringContaining("--virtiofs-root"),
    violations: [
      { field: "additional_volumes[1].source.virtiofs_source" },
      { field: "additional_volumes[2].source.virtiofs_source" },
    ],
  });
  const vm = await microvms.create(wireInput({ additionalVolumes: volumes.slice(0, 1) }));
  expect(vm.spec.additionalVolumes).toMatchObject([{ source: { kind: "virtiofs", hostPath: "/srv/a" } }]);
  await settle();
  expect(repository.find(vm.uid)?.status).toMatchObject({
    state: "created",
    volumes: { a: { type: "hostpath", source: "/srv/a" } },
  });
  await reconciler.close();
});
