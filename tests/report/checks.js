// What is looked at in a page that is open in the browser. Each function gives a list of what is
// wrong; an empty list is a page that is right. Evaluated by the test, never part of a page.
(() => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true });
  const name = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") || ""} ` +
    JSON.stringify((e.textContent || "").trim().slice(0, 40));

  function overflow() {
    const wrong = [];
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > room)
      wrong.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${room}`);
    for (const e of document.querySelectorAll("body *")) {
      if (!seen(e) || e.closest(".scroll") || e.closest("svg")) continue;
      const box = e.getBoundingClientRect();
      if (box.width > 0 && (box.right > room + 1 || box.left < -1)) wrong.push(`${name(e)} sticks out`);
    }
    return wrong;
  }

  function links() {
    const wrong = [];
    for (const e of document.querySelectorAll("[href]")) {
      const to = e.getAttribute("href");
      const target = to.startsWith("#") ? document.getElementById(to.slice(1)) : null;
      if (!target) { wrong.push(`${name(e)} leads nowhere: ${to}`); continue; }
      // A place by name, "file:12", must lead to the twelfth line of that file.
      const place = (e.getAttribute("title") || "").match(/^(.*?)(?::(\d+):(\d+))?$/s);
      if (!e.classList.contains("at") || !place || !place[2]) continue;
      const lines = [...target.parentNode.children];
      if (target.tagName !== "LI" || lines.indexOf(target) + 1 !== Number(place[2]))
        wrong.push(`${name(e)} says line ${place[2]} and leads to ${lines.indexOf(target) + 1}`);
      const file = target.closest("section").querySelector("h3").textContent;
      if (!place[1].endsWith(file)) wrong.push(`${name(e)} says ${place[1]} and leads to ${file}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    if (new Set(ids).size !== ids.length) wrong.push("an id is there twice");
    return wrong;
  }

  const parts = (colour) => {
    const m = colour.match(/rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)/);
    return m ? [Number(m[1]), Number(m[2]), Number(m[3]), m[4] === undefined ? 1 : Number(m[4])] : null;
  };
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  function ground(e) {
    if (e.tagName === "text") {
      const box = e.parentNode.querySelector("rect");
      if (box) return parts(getComputedStyle(box).fill);
      const paper = document.querySelector("svg > rect");
      if (paper) return parts(getComputedStyle(paper).fill);
    }
    for (let at = e; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour && colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  }
  function texts(visit) {
    const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const e = node.parentElement;
      if (!node.data.trim() || e.closest("head, style, title, .unseen") || !seen(e)) continue;
      visit(e, getComputedStyle(e), node);
    }
  }
  function contrast() {
    const wrong = new Set();
    texts((e, style) => {
      const ink = parts(e.closest("svg") ? style.fill : style.color), paper = ground(e);
      const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < 4.5) wrong.add(`${name(e)}: ${ink} on ${paper} is ${ratio.toFixed(2)}`);
    });
    return [...wrong];
  }
  function sizes() {
    const wrong = new Set();
    texts((e, style) => {
      const frame = e.closest("svg");
      const scale = frame ? frame.getBoundingClientRect().width / frame.viewBox.baseVal.width : 1;
      if (parseFloat(style.fontSize) * scale < 10.9) wrong.add(`${name(e)} is ${style.fontSize}`);
    });
    return [...wrong];
  }

  function drawing() {
    const wrong = [];
    for (const svg of document.querySelectorAll("svg.map")) {
      if (!seen(svg)) continue;
      const frame = svg.getBoundingClientRect();
      const words = [...svg.querySelectorAll("text")].map((e) => [e, e.getBoundingClientRect()]);
      for (const [e, box] of words)
        if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
            box.bottom > frame.bottom + 1) wrong.push(`${name(e)} is cut off`);
      for (let i = 0; i < words.length; ++i)
        for (let k = i + 1; k < words.length; ++k) {
          const [a, b] = [words[i][1], words[k][1]];
          if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
            wrong.push(`${name(words[i][0])} lies over ${name(words[k][0])}`);
        }
    }
    return wrong;
  }

  function outline() {
    const wrong = [];
    if (document.documentElement.lang !== "en") wrong.push("no language");
    if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
    let level = 0;
    for (const e of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
      const own = Number(e.tagName[1]);
      if (own > level + 1) wrong.push(`${name(e)} skips a level`);
      if (!e.textContent.trim()) wrong.push("an empty heading");
      level = own;
    }
    for (const e of document.querySelectorAll("table th")) if (!e.scope) wrong.push(`${name(e)} has no scope`);
    for (const e of document.querySelectorAll("table")) {
      const width = (row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0);
      if (!e.tHead) wrong.push("a table without a head");
      for (const row of e.rows)
        if (width(row) !== width(e.rows[0])) wrong.push(`${name(row)} has ${width(row)} columns`);
    }
    for (const e of document.querySelectorAll("svg[role=img]"))
      if (!e.querySelector(":scope > title")) wrong.push("a drawing without a title");
    for (const e of document.querySelectorAll(".scroll"))
      if (e.tabIndex !== 0 || !e.getAttribute("aria-label")) wrong.push("a part that only a mouse can move");
    return wrong;
  }

  // Nothing but what the page is written with, whatever stands in a profile.
  function markup() {
    const known = new Set(("html head meta title style body header p code h1 dl div dt dd nav a main " +
      "section h2 h3 figure figcaption svg g path text rect circle span ul ol li b small table thead " +
      "tbody tr th td pre mark details summary article footer").split(" "));
    const wrong = [];
    for (const e of document.querySelectorAll("*")) {
      if (!known.has(e.tagName.toLowerCase())) wrong.push(`an element ${e.tagName}`);
      for (const a of e.attributes)
        if (/^on|^src$|^style$|^xlink/.test(a.name)) wrong.push(`${e.tagName} has ${a.name}`);
    }
    if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd]/
      .test(document.documentElement.outerHTML)) wrong.push("a character that nobody sees");
    return wrong;
  }

  // Letters of a script that goes to the left stand in the order of the file all the same.
  function order() {
    const wrong = [];
    let met = 0;
    texts((e, style, node) => {
      const at = node.data.indexOf("\u05d0\u05d1");
      if (at < 0) return;
      ++met;
      const place = (i) => {
        const range = document.createRange();
        range.setStart(node, i);
        range.setEnd(node, i + 1);
        return range.getBoundingClientRect();
      };
      const [a, b] = [place(at), place(at + 1)];
      if (a.top === b.top && a.left >= b.left) wrong.push(`${name(e)} is turned round`);
    });
    return met > 3 ? wrong : ["there is nothing to look at"];
  }

  // On paper nothing can be moved: what is wider than its room is lost.
  function cut() {
    const wrong = [];
    for (const e of document.querySelectorAll(".scroll"))
      if (e.scrollWidth > e.clientWidth + 1)
        wrong.push(`${name(e)} is ${e.scrollWidth} wide and has ${e.clientWidth}`);
    return wrong;
  }

  const colours = () => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
    ...[...document.querySelectorAll("svg.map .line")].slice(0, 1).map((e) => getComputedStyle(e).stroke)];
  return { overflow, links, contrast, sizes, drawing, outline, markup, order, cut, colours };
})()
