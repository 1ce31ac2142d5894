// A page whose maps Vue makes, binds, hears and removes; `page` is how the test steers it.
import { createApp, h, reactive } from "vue";

const page = reactive({ maps: [], turned: false });
const tell = (name) => (event) => window.told.push([name, event.detail]);
const map = (each) =>
  h("city-map", {
    key: each.id,
    id: each.id,
    server: window.server,
    query: each.query,
    title: each.title,
    height: each.height,
    "onCity-map-ready": tell(`${each.id} ready`),
    "onCity-map-change": tell(`${each.id} change`),
    "onCity-map-select": tell(`${each.id} select`),
  });
createApp({ render: () => h("div", page.turned ? [...page.maps].reverse().map(map) : page.maps.map(map)) }).mount("#app");
window.page = page;
