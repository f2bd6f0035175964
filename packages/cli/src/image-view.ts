import { type Image, ImageSchema, toJson } from "@flintlock/client";
import { object, type View } from "./output.ts";
import { shortDigest } from "./pull.ts";
import { formatAge, formatBytes } from "./units.ts";

export const imageView = (nowMs: number = Date.now()): View<Image> => {
  const columns = [
    { title: "REFERENCE", value: (image: Image) => image.reference },
    { title: "DIGEST", value: (image: Image) => shortDigest(image.digest) },
    { title: "SIZE", value: (image: Image) => formatBytes(Number(image.sizeBytes)), align: "right" as const },
    { title: "LAYERS", value: (image: Image) => String(image.layers), align: "right" as const },
    { title: "CREATED", value: (image: Image) => ageOf(image, nowMs) },
    {
      title: "USED BY",
      value: (image: Image) => (image.usedBy.length === 0 ? "" : String(image.usedBy.length)),
    },
  ];
  return {
    columns,
    wideColumns: [
      ...columns.map((column) =>
        column.title === "DIGEST" ? { ...column, value: (image: Image) => image.digest } : column,
      ),
      { title: "PLATFORM", value: (image) => image.platform },
      { title: "MICROVMS", value: (image) => image.usedBy.join(", ") },
    ],
    toObject: (image) =>
      object("Image", toJson(ImageSchema, image, { alwaysEmitImplicit: true }) as Record<string, unknown>),
    nameOf: (image) => image.reference,
  };
};

const ageOf = ({ created }: Image, nowMs: number): string => {
  const atMs = Date.parse(created);
  // Reproducible builds say 1970.
  return Number.isNaN(atMs) || atMs === 0 ? "" : `${formatAge(nowMs - atMs)} ago`;
};
