(function () {
  "use strict";
  const holder = document.getElementById("explorer-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const SVG = document.getElementById("explorer-seed").namespaceURI; // the page holds no address, not even this one
  const MONTH = 30.4375;
  const SPANS = [["Whole life (time narrows)", Infinity], ["First year", 12], ["First 2 years", 24], ["First 5 years", 60], ["First 10 years", 120]];
  const TICKS = [0, 1, 3, 6, 12, 24, 60, 120, 240, 480, 960];
  const LEFT = 66, RIGHT = 14, PLOT = 128, SIGNS = 26, PHASE = 12, STRIP = 7, LINE = 19;
  const STRIPS = ["aplasia", "treatment", "harm"];
  const TOP = 0, BOTTOM = -13;
  const at = (name) => document.getElementById("explorer-" + name);
  const chooser = at("patient"), spanner = at("span"), day = at("day"), drawing = at("drawing");
  let scale = null, lines = [];

  function svg(tag, attributes, parent, text) {
    const element = document.createElementNS(SVG, tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.appendChild(element);
    return element;
  }

  function html(tag, parent, text, name) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    if (parent) parent.appendChild(element);
    return element;
  }

  // --- words

  function duration(days) {
    const whole = Math.max(1, Math.round(days));
    if (days < 60) return whole + (whole === 1 ? " day" : " days");
    if (days < 730.5) return (days / MONTH).toFixed(1) + " months";
    return (days / 365.25).toFixed(1) + " years";
  }

  function infusion(life) {
    const found = life.rows.filter((row) => data.events[row[0]].shape === "bar" && data.events[row[0]].kind === "mark");
    return found.length ? found[0][1] : Infinity;
  }

  function since(when, start) {
    if (start === Infinity) return "";
    if (Math.round(when) === Math.round(start)) return "day 0";
    return (when < start ? "-" : "+") + duration(Math.abs(when - start));
  }

  function names(life) {
    return life.p.map((place) => data.policies[place].label);
  }

  function percent(level) {
    if (level === null) return "none";
    if (level >= 0) return "above 100% (no limit in the model)";
    if (level >= -3) return (100 * Math.pow(10, level)).toPrecision(2) + "%";
    return "10 to the power of " + level.toFixed(1).replace("-", "−");
  }

  function exponent(level) {
    return "10" + String(Math.round(level)).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  }

  // --- time

  function timeline(patient, width) {
    const last = Math.max(...patient.lives.map((life) => Math.max(...life.rows.map((row) => row[2])))) / MONTH;
    const wanted = SPANS[spanner.selectedIndex][1];
    const end = Math.max(1, Math.min(last * 1.03, wanted));
    const narrow = wanted === Infinity && end > 24;
    const bend = (months) => (narrow ? Math.log1p(Math.max(months, -1) / 3) : months);
    const room = width - LEFT - RIGHT;
    return {
      end: end,
      x: (days) => LEFT + (room * bend(days / MONTH)) / bend(end),
      shown: (days) => days / MONTH <= end,
      days: (share) => MONTH * (narrow ? 3 * Math.expm1(share * bend(end)) : share * end),
    };
  }

  function tickmarks(room) {
    const step = [1, 2, 3, 6, 12].find((s) => scale.end / s <= 12) || 24;
    const all = SPANS[spanner.selectedIndex][1] === Infinity && scale.end > 24
      ? TICKS : Array.from({ length: 60 }, (_, i) => i * step);
    let last = -Infinity;
    return all.filter((months) => {
      const x = scale.x(months * MONTH);
      if (months > scale.end || x - last < room) return false;
      last = x;
      return true;
    });
  }

  const tickname = (months) => (months === 0 ? "0" : months % 12 ? months + " mo" : months / 12 + " y");

  // --- one life

  const height = (level) => (PLOT * (TOP - Math.max(level, BOTTOM))) / (TOP - BOTTOM);

  function symbol(shape, x, y, size, look, parent) {
    const s = size, paths = {
      bar: `M${x} ${y - s}V${y + s}`,
      plus: `M${x - s} ${y}H${x + s}M${x} ${y - s}V${y + s}`,
      diamond: `M${x} ${y - s}L${x + s} ${y}L${x} ${y + s}L${x - s} ${y}Z`,
      up: `M${x} ${y - s}L${x + s} ${y + s}H${x - s}Z`,
      down: `M${x} ${y + s}L${x + s} ${y - s}H${x - s}Z`,
      square: `M${x - s} ${y - s}H${x + s}V${y + s}H${x - s}Z`,
      cross: `M${x - s} ${y - s}L${x + s} ${y + s}M${x + s} ${y - s}L${x - s} ${y + s}`,
    };
    if (shape === "dot") return svg("circle", { cx: x, cy: y, r: s, class: look }, parent);
    return svg("path", { d: paths[shape], class: look + (shape === "cross" ? " explorer-cross" : "") }, parent);
  }

  function heading(life, group, width) {
    const most = Math.max(18, Math.floor((width - 8) / 7.6));
    let used = 0, line = 0, text = null;
    life.p.forEach((place, i) => {
      const policy = data.policies[place], label = policy.label + (i === life.p.length - 1 ? "" : ", ");
      if (text !== null && used + label.length > most) { text = null; line += 1; used = 0; }
      if (text === null) text = svg("text", { x: 4, y: 14 + line * LINE, class: "explorer-name" }, group);
      svg("tspan", { class: policy.ink }, text, label);
      used += label.length;
    });
    const ends = life.end.charAt(0).toUpperCase() + life.end.slice(1);
    svg("text", { x: 4, y: 14 + (line + 1) * LINE, class: "explorer-end" }, group, ends);
    return (line + 2) * LINE + 4;
  }

  function levels(group, top, width) {
    svg("rect", { x: LEFT, y: top, width: width - LEFT - RIGHT, height: PLOT, class: "explorer-field" }, group);
    for (const limit of data.limits) {
      if (limit.level < BOTTOM) continue;
      const y = top + height(limit.level);
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: "explorer-limit" }, group);
      svg("text", { x: LEFT - 5, y: y + 3.5, class: "explorer-axis end" }, group, limit.name === "overt" ? "5%" : exponent(limit.level));
      const label = svg("text", { x: width - RIGHT - 4, y: y - 3, class: "explorer-axis end faint" }, group, limit.label);
      if (width < 560 && limit.name !== "overt") label.textContent = limit.name === "extinction" ? "extinct" : limit.name.toUpperCase();
    }
  }

  function clones(life, group, top, clip) {
    const plot = svg("g", { "clip-path": `url(#${clip})` }, group);
    life.lines.forEach((line) => {
      const [clone, start, stop, from, to, overt] = line;
      if (clone === 3 || !scale.shown(start)) return;
      // a straight line in time is bent where the time axis narrows: draw it in pieces
      const pieces = 24, points = [];
      for (let i = 0; i <= pieces; i += 1) {
        const when = start + ((stop - start) * i * i) / (pieces * pieces);
        const level = stop > start ? from + ((to - from) * (when - start)) / (stop - start) : from;
        points.push(`${scale.x(when).toFixed(1)} ${(top + (PLOT * (TOP - level)) / (TOP - BOTTOM)).toFixed(1)}`);
      }
      const path = svg("path", { d: "M" + points.join("L"), class: data.clones[clone].line + (overt ? " explorer-overt" : "") }, plot);
      svg("title", {}, path, data.clones[clone].label);
    });
    for (const line of life.lines.filter((one) => one[0] === 3 && scale.shown(one[1]))) {
      const x = scale.x(line[1]), stop = Math.min(scale.x(line[2]), scale.x(scale.end * MONTH));
      const bar = svg("rect", { x: x, y: top + PLOT - 6, width: Math.max(1, stop - x), height: 6, class: data.clones[3].fill }, group);
      svg("title", {}, bar, `${data.clones[3].label}: comes to light on day ${Math.round(line[3])} unless it is reached before`);
    }
  }

  function sojourn(row, group, y, tall) {
    if (!scale.shown(row[1])) return;
    const x = scale.x(row[1]), stop = Math.min(scale.x(row[2]), scale.x(scale.end * MONTH));
    const bar = svg("rect", { x: x, y: y, width: Math.max(0.8, stop - x), height: tall, class: data.events[row[0]].paint }, group);
    svg("title", {}, bar, `${data.texts[row[3]]}: day ${Math.round(row[1])} to ${Math.round(row[2])}`);
  }

  function point(row, group, top, base) {
    const look = data.events[row[0]], x = scale.x(row[1]);
    if (!scale.shown(row[1])) return;
    let mark;
    if (look.kind === "mark") {
      svg("line", { x1: x, x2: x, y1: top, y2: base, class: "explorer-event" }, group);
      mark = symbol(look.shape, x, base + PHASE / 2, 5.5, look.paint, group);
    } else {
      mark = symbol(look.shape, x, top - (look.shape === "down" ? 18 : 7), look.shape === "dot" ? 4 : 4.5, look.paint, group);
    }
    svg("title", {}, mark, `${data.texts[row[3]]}: day ${Math.round(row[1])}`);
  }

  function panel(life, offset, width, root) {
    const group = svg("g", { transform: `translate(0 ${offset})` }, root);
    const top = heading(life, group, width) + SIGNS, base = top + PLOT + 6;
    levels(group, top, width);
    const clip = "explorer-clip-" + Math.round(offset);
    svg("rect", { x: LEFT, y: top, width: width - LEFT - RIGHT, height: PLOT }, svg("clipPath", { id: clip }, group));
    clones(life, group, top, clip);
    const drawn = (kind) => life.rows.filter((row) => data.events[row[0]].kind === kind);
    drawn("phase").forEach((row) => sojourn(row, group, base, PHASE));
    STRIPS.forEach((kind, i) => drawn(kind).forEach((row) => sojourn(row, group, base + PHASE + 3 + i * (STRIP + 2), STRIP)));
    drawn("sign").forEach((row) => point(row, group, top, base));
    drawn("mark").forEach((row) => point(row, group, top, base));
    const y = base + PHASE + 3 + STRIPS.length * (STRIP + 2);
    if (width >= 560) {
      svg("text", { x: LEFT - 5, y: base + PHASE - 2, class: "explorer-axis end" }, group, "phase");
      STRIPS.forEach((kind, i) => svg("text", { x: LEFT - 5, y: base + PHASE + 10 + i * (STRIP + 2), class: "explorer-axis small end" }, group, kind));
    }
    for (const months of tickmarks(34)) {
      const x = scale.x(months * MONTH);
      svg("line", { x1: x, x2: x, y1: y, y2: y + 4, class: "explorer-limit" }, group);
      svg("text", { x: x, y: y + 14, class: "explorer-axis middle" }, group, tickname(months));
    }
    lines.push(svg("line", { x1: 0, x2: 0, y1: top, y2: y, class: "explorer-cursor" }, group));
    return offset + y + 30;
  }

  // --- the page

  function keys(patient) {
    const list = at("keys");
    list.replaceChildren();
    const add = (label, draw) => {
      const item = html("li", list);
      const picture = svg("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" }, item);
      draw(picture);
      item.append(label);
    };
    const lives = patient.lives;
    data.clones.forEach((clone, i) => {
      if (!lives.some((life) => life.lines.some((line) => line[0] === i))) return;
      add(clone.label, (p) => (i === 3 ? svg("rect", { x: 1, y: 3, width: 20, height: 6, class: clone.fill }, p) : svg("path", { d: "M0 6H22", class: clone.line }, p)));
    });
    Object.keys(data.events).forEach((event) => {
      const look = data.events[event];
      if (look.kind === "told" || !lives.some((life) => life.rows.some((row) => String(row[0]) === event))) return;
      add(look.label, (p) => (look.shape ? symbol(look.shape, 11, 6, 4.5, look.paint, p) : svg("rect", { x: 3, y: 1, width: 16, height: 10, class: look.paint }, p)));
    });
  }

  function story(patient) {
    const body = at("story").tBodies[0];
    const told = new Map();
    const start = Math.min(...patient.lives.map(infusion));
    for (const life of patient.lives) {
      for (const row of life.rows) {
        const look = data.events[row[0]];
        if (look.kind === "sign" && look.shape === "bar") continue;
        const long = row[2] - row[1] >= 1 ? `, for ${duration(row[2] - row[1])}` : "";
        const text = data.texts[row[3]] + long, key = row[1].toFixed(1) + text;
        if (!told.has(key)) told.set(key, { day: row[1], text: text, policies: [] });
        told.get(key).policies.push(...names(life));
      }
    }
    body.replaceChildren();
    for (const one of [...told.values()].sort((a, b) => a.day - b.day)) {
      const line = html("tr", body);
      html("td", line, String(Math.round(one.day)));
      html("td", line, since(one.day, start));
      const cell = html("td", line, one.text, "text");
      if (one.policies.length < data.policies.length) html("span", cell, "under " + one.policies.join(", "), "explorer-under");
    }
  }

  function read() {
    const patient = data.patients[chooser.selectedIndex];
    const when = scale.days(day.value / 1000), x = scale.x(when).toFixed(1);
    const start = Math.min(...patient.lives.map(infusion)), relative = since(when, start);
    const place = { "+": "after infusion", "-": "before infusion" }[relative[0]];
    const beside = place ? `, ${relative.slice(1)} ${place}` : relative ? ", the day of infusion" : "";
    at("when").textContent = `day ${Math.round(when)} since referral${beside}`;
    for (const line of lines) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
    const body = at("readings").tBodies[0];
    body.replaceChildren();
    for (const life of patient.lives) {
      const line = html("tr", body);
      html("th", line, names(life).join(", ")).scope = "row";
      const now = (row) => row[1] <= when && when < row[2];
      const phase = life.rows.find((row) => data.events[row[0]].kind === "phase" && now(row));
      const over = life.rows.every((row) => row[2] <= when);
      html("td", line, phase ? data.events[phase[0]].label : over ? "Life is over" : "", "text");
      const blasts = life.lines.find((one) => one[0] === 0 && now(one));
      for (const clone of [1, 2]) {
        const found = life.lines.find((one) => one[0] === clone && now(one));
        const level = found ? found[3] + ((found[4] - found[3]) * (when - found[1])) / (found[2] - found[1]) : null;
        html("td", line, blasts ? `marrow blasts ${percent(blasts[3])}` : percent(level));
      }
      html("td", line, life.rows.some((row) => data.events[row[0]].kind === "aplasia" && now(row)) ? "yes" : "no", "text");
    }
  }

  function draw() {
    const patient = data.patients[chooser.selectedIndex];
    const width = Math.max(320, Math.min(1180, drawing.clientWidth || 900));
    scale = timeline(patient, width);
    lines = [];
    const said = patient.lives.map((life) => `${names(life).join(", ")}: ${life.end}`).join("; ");
    const root = svg("svg", { role: "img", "aria-label": `Lives of patient ${patient.n}. ${said}.` });
    let offset = 0;
    for (const life of patient.lives) offset = panel(life, offset, width, root);
    root.setAttribute("viewBox", `0 0 ${width} ${offset}`);
    drawing.replaceChildren(root);
    const same = patient.lives.length === 1 && data.policies.length > 1 ? " The life is the same under every policy." : "";
    at("said").textContent = `Patient ${patient.n}: ${patient.who}. Shown because: ${patient.why}.${same}`;
    keys(patient);
    story(patient);
    read();
  }

  function step(by) {
    chooser.selectedIndex = (chooser.selectedIndex + by + data.patients.length) % data.patients.length;
    draw();
  }

  const groups = new Map();
  data.patients.forEach((patient) => {
    if (!groups.has(patient.why)) {
      const group = html("optgroup", chooser);
      group.label = patient.why;
      groups.set(patient.why, group);
    }
    html("option", groups.get(patient.why), `Patient ${patient.n}`);
  });
  chooser.selectedIndex = Math.max(0, data.patients.findIndex((patient) => patient.lives.length > 1));
  SPANS.forEach(([label]) => html("option", spanner, label));
  at("controls").hidden = at("view").hidden = false;
  at("all").open = false;
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  chooser.addEventListener("change", draw);
  spanner.addEventListener("change", draw);
  day.addEventListener("input", read);
  at("before").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  let seen = drawing.clientWidth;
  window.addEventListener("resize", () => {
    if (drawing.clientWidth !== seen) { seen = drawing.clientWidth; draw(); }
  });
  draw();
})();
