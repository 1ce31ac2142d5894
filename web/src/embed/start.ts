/**
 * Waits until somebody sees the widget. It is a file of its own, and small: on a slow line it is there long before the widget's
 * script, and asks for what draws the map when the line is free of the picture.
 */
const target = document.getElementById("app")!;

// Of a page of others no browser tells what is near the window, but what is in it.
const watch = new IntersectionObserver((entries) => {
  if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
  watch.disconnect();
  // Where there is a picture there will be a map.
  if (target.querySelector("picture"))
    for (const link of document.querySelectorAll<HTMLLinkElement>("link[data-seen]")) link.rel = "modulepreload";
  target.dataset.seen = "";
  target.dispatchEvent(new Event("seen"));
});
watch.observe(target);
