import { CityMapElement } from "./element.ts";

// A page may have the script twice.
if (!customElements.get("city-map")) customElements.define("city-map", CityMapElement);
