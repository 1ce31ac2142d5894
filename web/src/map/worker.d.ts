declare module "virtual:map-worker" {
  /** Where the script of MapLibre's worker is (web/bundle/maplibre.ts). */
  const address: string;
  export default address;
}
