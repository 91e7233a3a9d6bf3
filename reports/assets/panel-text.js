/* Words: a tree of a few tags, built by hand. */
(function () {
  "use strict";
  const { make, kind } = window.dashcam;
  const TAGS = new Set(["h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "pre", "code", "b", "i", "a", "hr", "blockquote"]);
  const HEADS = { h1: "h4", h2: "h5", h3: "h6", h4: "h6" };

  function build(node) {
    if (!Array.isArray(node)) return document.createTextNode(String(node));
    const [tag, ...rest] = node;
    const element = make(TAGS.has(tag) ? HEADS[tag] || tag : "span");
    if (tag === "a") {
      const address = String(rest.shift());
      if (/^https?:\/\//.test(address)) element.href = address;
      element.rel = "noopener noreferrer";
    }
    element.append(...rest.map(build));
    return element;
  }

  kind("text", (element, panel) => {
    const box = make("div", "prose");
    box.append(...panel.body.blocks.map(build));
    element.append(box);
    return {};
  });
})();
