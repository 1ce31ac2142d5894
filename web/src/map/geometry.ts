/** Places on geometries. */

/** A place on the geometry to stand for it: the vertex nearest to `near`, or the middle of a polygon's outer ring. */
export function anchor(geometry: GeoJSON.Geometry, near: [number, number]): [number, number] {
  if (geometry.type === "Point") return geometry.coordinates as [number, number];
  if (geometry.type === "GeometryCollection") return geometry.geometries[0] ? anchor(geometry.geometries[0], near) : near;
  const vertices = flatten(geometry.coordinates);
  if (geometry.type === "Polygon" || geometry.type === "MultiPolygon") {
    const xs = vertices.map(([x]) => x);
    const ys = vertices.map(([, y]) => y);
    const middle = (values: number[]): number => (values.reduce((a, b) => Math.min(a, b)) + values.reduce((a, b) => Math.max(a, b))) / 2;
    return [middle(xs), middle(ys)];
  }
  const distance = ([x, y]: [number, number]): number => (x - near[0]) ** 2 + (y - near[1]) ** 2;
  return vertices.reduce((best, vertex) => (distance(vertex) < distance(best) ? vertex : best), vertices[0] ?? near);
}

export function flatten(coordinates: unknown): [number, number][] {
  if (!Array.isArray(coordinates)) return [];
  if (typeof coordinates[0] === "number") return [coordinates as unknown as [number, number]];
  return coordinates.flatMap(flatten);
}
