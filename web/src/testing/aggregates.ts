/** For tests: a layer to draw charts of, and what the server counts of it. */
import type { Aggregate, Field, LayerDetail } from "../query/types.ts";
import { FakeServer, makeField } from "./fake-server.ts";

const server = new FakeServer(["crime"]);

const FIELDS: Field[] = [
  { ...makeField("incident", "text", "search"), title: "Incident" },
  { ...makeField("category", "text", "choice"), title: "Category", labels: { theft: "Theft", fraud: "Fraud" } },
  { ...makeField("lanes", "integer", "choice"), title: "Lanes" },
  { ...makeField("seen", "timestamp", "range"), title: "Seen", min: "2024-01-02T00:00:00Z", max: "2024-04-10T00:00:00Z" },
  { ...makeField("planted", "date", "range"), title: "Planted" },
  { ...makeField("height", "number", "range"), title: "Height", unit: "m" },
  { ...makeField("girth", "integer", "range"), title: "Girth", unit: "cm" },
];

export const LAYER = { ...(server.answerTo("api/layers/crime") as LayerDetail), title: "Crime", fields: FIELDS, time: "seen" };

export const MONTHS: Aggregate["groups"][number] = {
  kind: "time",
  field: "seen",
  title: "Seen",
  bucket: "month",
  values: ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"],
  ends: ["2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"],
  incomplete: ["2024-04-01"],
};
export const CATEGORIES: Aggregate["groups"][number] = {
  kind: "category",
  field: "category",
  title: "Category",
  values: ["theft", "fraud"],
  labels: ["Theft", "Fraud"],
  distinct: 5,
  others: 3,
};
export const HEIGHTS: Aggregate["groups"][number] = { kind: "number", field: "height", title: "Height", unit: "m", edges: [0, 2.5, 5] };
export const GIRTHS: Aggregate["groups"][number] = { kind: "number", field: "girth", title: "Girth", unit: "cm", edges: [0, 10, 20] };

export function makeAggregate(groups: Aggregate["groups"], cells: Aggregate["cells"], more: Partial<Aggregate> = {}): Aggregate {
  const count = cells.reduce((sum, cell) => sum + Number(cell.at(-1)), 0);
  return { layer: "crime", version: "1", count, measure: { of: "count" }, groups, cells, ...more };
}
