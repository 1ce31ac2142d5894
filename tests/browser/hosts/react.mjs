// The same page as React makes it.
import { createElement, useState } from "react";
import { createRoot } from "react-dom/client";

const tell = (name) => (event) => window.told.push([name, event.detail]);
const map = (each) =>
  createElement("city-map", {
    key: each.id,
    id: each.id,
    server: window.server,
    query: each.query,
    title: each.title,
    height: each.height,
    "oncity-map-ready": tell(`${each.id} ready`),
    "oncity-map-change": tell(`${each.id} change`),
    "oncity-map-select": tell(`${each.id} select`),
  });

function App() {
  const [{ maps, turned }, set] = useState({ maps: [], turned: false });
  window.page = {
    get maps() {
      return maps;
    },
    set maps(next) {
      set((now) => ({ ...now, maps: next }));
    },
    set turned(next) {
      set((now) => ({ ...now, turned: next }));
    },
  };
  return createElement("div", null, (turned ? [...maps].reverse() : maps).map(map));
}
createRoot(document.getElementById("app")).render(createElement(App));
