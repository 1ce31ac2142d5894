/** Parts of the page that are fetched when they are first wanted; each is named once, for it costs bytes that all load. */
export const ACCOUNT = () => import("../app/Account.svelte");
export const CHIP_ROW = () => import("../filter/Chips.svelte");
export const FILTERS = () => import("../app/LayerFilters.svelte");
export const FOOT = () => import("../app/PanelFoot.svelte");
export const LAYERS = () => import("../app/ManyLayers.svelte");
export const LIST = () => import("../list/InViewList.svelte");
export const MORE = () => import("../app/LayerMore.svelte");
export const PANE = () => import("../app/ViewPane.svelte");
export const SEARCH = () => import("../search/SearchBox.svelte");
export const SELECTED = () => import("../card/SelectedCard.svelte");
