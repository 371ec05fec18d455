// The labeller's half that runs in the browser: shows questions, takes answers, keeps them until Python has them.
//
// It speaks with session.py in messages of plain values. Three rules:
//   - An answer is kept in localStorage until Python says that it is on the disk ("acks"), and is sent again after a
//     reload or a restart. Each answer has an id of its own, so sending it twice does no harm.
//   - One clock draws all clips, so both sides always show the same moment.
//   - What others wrote (prompts, texts, names) is put in as text, never as HTML.

const PAIR_KEYS = { arrowleft: "left", 1: "left", arrowright: "right", 2: "right", e: "equal", "=": "equal" };
const SAID = { left: "left is better", right: "right is better", equal: "equally good", skip: "skipped" };
const SKIP = "can't tell, or neither is good";
const KEY_HELP = {
  pair: [["←", "left"], ["→", "right"], ["E", "equally good"], ["S", `skip: ${SKIP}`]],
  scale: [["1", "left, surely"], ["5", "equally good"], ["9", "right, surely"], ["S", `skip: ${SKIP}`]],
  ranking: [["1 … 5", "the next best is this one"], ["=", "tie with the one before"], ["Backspace", "start over"],
    ["Enter", "save"], ["S", `skip: ${SKIP}`]],
  always: [["U", "undo"], ["Space", "pause"], [", .", "one frame back, on"], ["H", "half speed"],
    ["Esc", "back to the notebook"]],
};
const RANKS = ["best", "2nd", "3rd", "4th", "5th"];
const HELLO_MS = 2000, RENEW_MS = 10000, RESEND_MS = 5000;        // how often the browser asks, tells, sends again
const SILENT_MS = 4000, PENDING_MS = 1500;                         // when silence is worth a sentence
const REST_S = 0.4;                                                // clips rest on their last frame, so the end is seen
const COARSE = 200;                                                // narrower clips keep their hard pixels, as games do
const PAST = 10;                                                   // answers that can be taken back without asking
const REVIEWED = 4;                                                // past answers on one page of the review
const CHOICES = { left: "Left", equal: "Equal", skip: "Skip", right: "Right" };
const SWIPE = 60;                                                  // pixels that a finger moves sideways to answer
const BATCH = 10;                                                  // pairs that the synthetic labeler answers at a time
const BATCH_MS = 20000;                                            // so long it may take for them without a word

const newId = () => crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");          // randomUUID is missing on plain http

// ---- elements ------------------------------------------------------------------------------------------------------

/** An element: h("button", { class: "x", onclick: f, "aria-label": "y" }, child, ...). Strings become text nodes. */
function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on") || name === "hidden" || name === "tabIndex") node[name] = value;
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const ICONS = {
  play: "M5 3v10l8-5z", pause: "M4 3h3v10H4zM9 3h3v10H9z", back: "M4 3h2v10H4zM13 3v10L7 8z",
  forward: "M10 3h2v10h-2zM3 3v10l6-5z", undo: "M6 2 2 6l4 4V7h3a2.5 2.5 0 0 1 0 5H5v2h4a4.5 4.5 0 0 0 0-9H6z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "cl-icon");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const div = (style, ...children) => h("div", { class: style }, ...children);
const pairs = (count) => `${count} ${count === 1 ? "pair" : "pairs"}`;
const key = (name) => h("kbd", { "aria-hidden": "true" }, name);
const mute = (text) => h("span", { "aria-hidden": "true" }, text);         // for the eye only
const unseen = (text) => h("span", { class: "cl-sr" }, text);              // for screen readers only

/** A button; `content` is text and elements. The second click of a double click does nothing. */
function button(style, act, ...content) {
  const onclick = (event) => click(event, act);
  return h("button", { class: `cl-button ${style}`, type: "button", onclick }, ...content);
}

function click(event, act) {
  if (event.detail > 1) return;                                    // detail counts the clicks; 0 means the keyboard
  act();
  if (event.detail) event.currentTarget.closest(".cl-root")?.focus({ preventScroll: true });   // so that keys work next
}

// ---- answers on their way to Python --------------------------------------------------------------------------------

/** Answers and undos that Python has not confirmed, in localStorage where the browser allows it, else in the page. */
class Outbox {
  constructor(scope) {
    this.prefix = `course-labels:${scope}:`;
    this.messages = new Map();                                     // id -> message
    this.sent = new Map();                                         // id -> when it was last sent, performance.now()
    this.durable = true;
    try {
      for (const name of Object.keys(localStorage).filter((name) => name.startsWith(this.prefix))) {
        const message = JSON.parse(localStorage.getItem(name));
        this.messages.set(message.id, message);
      }
    } catch { this.durable = false; }
  }
  put(message) {
    this.messages.set(message.id, message);
    try { localStorage.setItem(this.prefix + message.id, JSON.stringify(message)); } catch { this.durable = false; }
  }
  drop(id) {
    this.messages.delete(id);
    this.sent.delete(id);
    try { localStorage.removeItem(this.prefix + id); } catch { this.durable = false; }
  }
  get waiting() { return [...this.messages.values()].sort((a, b) => a.answered_at - b.answered_at); }
  get size() { return this.messages.size; }
  get change() {                                                   // what they will add to the number of pairs answered
    return this.waiting.reduce((sum, m) => sum + (m.extra ? 0 : m.type === "answer" ? 1 : -1), 0);
  }
}

// ---- clips ---------------------------------------------------------------------------------------------------------

/** Decode the sheets of a question; `item.bitmap` is then ready to be drawn. */
async function decode(question) {
  await Promise.all(question.items.filter((item) => item.kind === "clip").map(async (item) => {
    const bytes = Uint8Array.from(atob(item.data), (character) => character.charCodeAt(0));
    item.bitmap = await createImageBitmap(new Blob([bytes], { type: item.mime }));
  }));
  return question;
}

/** Plays all clips on screen by one clock. `moved` is called whenever the frame or the state changes. */
class Player {
  constructor(moved) {
    this.clips = [];                                               // [{ item, canvas, context }]
    this.speed = 1;
    this.visible = true;
    this.moved = moved;
    this.load([]);
  }
  load(clips) {
    this.clips = clips;
    this.frames = Math.max(0, ...clips.map(({ item }) => item.frames));
    this.time = 0;                                                 // in frames
    this.plays = 0;
    this.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;     // a pause was for the pair before
    this.draw();
    this.wake();
  }
  get frame() { return Math.min(Math.floor(this.time), this.frames - 1); }
  get fps() { return this.clips[0]?.item.fps ?? 15; }
  draw() {
    for (const { item, context } of this.clips) {
      const frame = Math.min(this.frame, item.frames - 1);         // a shorter clip rests on its last frame
      const x = (frame % item.columns) * item.width, y = Math.floor(frame / item.columns) * item.height;
      context.drawImage(item.bitmap, x, y, item.width, item.height, 0, 0, item.width, item.height);
    }
    this.moved();
  }
  wake() {                                                         // the clock runs only while something moves
    if (this.clock || !this.playing || !this.visible || !this.frames) return;
    this.before = performance.now();
    this.clock = requestAnimationFrame((now) => this.tick(now));
  }
  tick(now) {
    this.clock = 0;
    if (!this.playing || !this.visible || !this.frames) return;
    const shown = this.frame, end = this.frames + REST_S * this.fps;
    this.time += (Math.min(now - this.before, 250) / 1000) * this.fps * this.speed;
    if (this.time >= end) { this.time %= end; this.plays += 1; }
    if (this.frame !== shown) this.draw();
    this.before = now;
    this.clock = requestAnimationFrame((next) => this.tick(next));
  }
  play(on) { this.playing = on; this.moved(); this.wake(); }
  slow() { this.speed = this.speed === 1 ? 0.5 : 1; this.moved(); }
  seek(frame) { this.playing = false; this.time = frame; this.draw(); }
  step(by) { this.seek((this.frame + by + this.frames) % this.frames); }
  show(visible) { this.visible = visible; this.wake(); }
}

// ---- a question on screen ------------------------------------------------------------------------------------------

/** The picture or the text of one item, named for screen readers; a clip also registers with `clips`. */
function media(item, name, clips) {
  if (item.kind === "text")
    return h("div", { class: "cl-text", tabIndex: 0, role: "region", "aria-label": name }, item.text);
  const told = `${name}: ${item.alt || `${item.frames} frames`}`;
  const canvas = h("canvas", { class: "cl-canvas", role: "img", "aria-label": told });
  canvas.width = item.width;
  canvas.height = item.height;
  canvas.style.setProperty("--ratio", item.width / item.height);
  canvas.classList.toggle("cl-coarse", item.width < COARSE);
  clips.push({ item, canvas, context: canvas.getContext("2d") });
  return canvas;
}

/** Two items side by side. */
class Pair {
  constructor(question) {
    this.clips = [];
    const side = (item, name) => div(`cl-side cl-${name.toLowerCase()}`, div("cl-name", name),
      media(item, `${name} ${item.kind}`, this.clips));
    this.node = div("cl-pair", side(question.items[0], "Left"), side(question.items[1], "Right"));
  }
}

/** Three to five items to put in order: number keys from best to worst, dragging, or the arrows on each card. */
class Ranking {
  constructor(question) {
    this.clips = [];
    this.changed = () => {};
    this.order = question.items.map((_, card) => card);            // the cards from best to worst
    this.placed = 0;                                               // how many number keys have been pressed
    this.ties = new Set();                                         // cards that share the place of the one before them
    this.cards = question.items.map((item, card) => this.card(item, card));
    this.node = h("div", { class: `cl-ranking ${this.clips.length ? "cl-across" : "cl-down"}`, role: "list",
      "aria-label": "The items from best to worst" });
    this.arrange();
  }
  card(item, card) {
    const arrows = item.kind === "clip" ? "◂▸" : "▴▾";
    const move = (by, where) => button("cl-small", () => this.move(card, by), mute(arrows[by < 0 ? 0 : 1]),
      unseen(`Move number ${card + 1} towards ${where}`));
    const rank = h("span", { class: "cl-rank" });
    const tie = button("cl-small", () => this.tie(card), mute("="),
      unseen(`Number ${card + 1} is as good as the one before`));
    const node = h("div", { class: "cl-card", role: "listitem" },
      div("cl-card-head", key(String(card + 1)), unseen(`Number ${card + 1}: `), rank),
      media(item, `Number ${card + 1}, ${item.kind}`, this.clips),
      div("cl-card-foot", move(-1, "best"), tie, move(1, "worst")));
    node.onpointerdown = (event) => this.drag(event, card);
    return { node, rank, tie };
  }
  get complete() { return this.placed >= this.order.length - 1; }
  get ranks() {                                                    // for each card, 0 the best; ties share a number
    const ranks = [];
    this.order.forEach((card, place) => { ranks[card] = this.ties.has(card) ? ranks[this.order[place - 1]] : place; });
    return ranks;
  }
  press(card) {                                                    // "the next best is this one"
    if (card >= this.order.length || this.order.indexOf(card) < this.placed) return;
    this.put(card, this.placed, this.placed + 1);
  }
  move(card, by) {
    const place = this.order.indexOf(card) + by;
    if (place >= 0 && place < this.order.length) this.put(card, place, this.order.length);
  }
  put(card, place, placed) {
    this.order.splice(this.order.indexOf(card), 1);
    this.order.splice(place, 0, card);
    this.ties.delete(this.order[0]);
    this.placed = placed;
    this.arrange();
  }
  tie(card) {
    if (!this.ties.delete(card) && card !== this.order[0]) this.ties.add(card);
    this.arrange();
  }
  tieLast() { if (this.placed > 1) this.tie(this.order[this.placed - 1]); }
  reset() { this.placed = 0; this.ties.clear(); this.arrange(); }
  drag(event, card) {
    if (event.button || event.target.closest("button")) return;
    const { node } = this.cards[card], across = this.node.classList.contains("cl-across");
    const follow = (e) => {
      const box = this.node.getBoundingClientRect(), at = across ? e.clientX - box.left : e.clientY - box.top;
      const middles = this.order.map((other) => this.cards[other].node).map(
        (n) => (across ? n.offsetLeft + n.offsetWidth / 2 : n.offsetTop + n.offsetHeight / 2));
      const place = this.order.indexOf(card);
      if (place > 0 && at < middles[place - 1]) this.put(card, place - 1, this.order.length);
      else if (place < middles.length - 1 && at > middles[place + 1]) this.put(card, place + 1, this.order.length);
    };
    node.classList.add("cl-lifted");
    node.setPointerCapture(event.pointerId);
    node.addEventListener("pointermove", follow);
    node.addEventListener("lostpointercapture", () => {
      node.classList.remove("cl-lifted");
      node.removeEventListener("pointermove", follow);
    }, { once: true });
  }
  arrange() {
    const nodes = this.order.map((card) => this.cards[card].node);
    const before = nodes.map((node) => [node.offsetLeft, node.offsetTop]);
    const pinned = nodes.findIndex(
      (node) => node.contains(document.activeElement) || node.classList.contains("cl-lifted"));
    nodes.forEach((node, place) => {                               // a pinned card stays, so it keeps focus and pointer
      if (place < pinned) this.node.insertBefore(node, nodes[pinned]);
      else if (place !== pinned) this.node.append(node);
    });
    this.order.forEach((card, place) => {
      const { node, rank, tie } = this.cards[card], known = this.complete || place < this.placed;
      node.classList.toggle("cl-known", known);
      rank.textContent = known ? RANKS[this.ranks[card]] : "–";
      tie.setAttribute("aria-pressed", String(this.ties.has(card)));
      tie.style.visibility = place ? "" : "hidden";
      const [left, top] = before[place], moved = left !== node.offsetLeft || top !== node.offsetTop;
      if (moved && node.isConnected && !matchMedia("(prefers-reduced-motion: reduce)").matches)
        node.animate([{ transform: `translate(${left - node.offsetLeft}px, ${top - node.offsetTop}px)` }, {}], 140);
    });
    this.changed();
  }
}

/** A past answer: its items in small, what was said, and buttons that say something else instead. */
class PastAnswer {
  constructor(answer, number, scale, stays, change, again) {
    Object.assign(this, { answer, clips: [] });
    const { question, twice } = answer, ranking = question.items.length > 2;
    const name = (place) => (ranking ? RANKS[place] : ["Left", "Right"][place]);
    const order = question.items.map((_, place) => place);
    if (ranking) order.sort((a, b) => answer.ranks[a] - answer.ranks[b]);
    const items = order.map((item, place) => div(`cl-side ${ranking ? "" : `cl-${name(place).toLowerCase()}`}`,
      div("cl-name", ranking ? name(answer.ranks[item]) : name(place)),
      media(question.items[item], `Answer ${number}, ${name(place)} ${question.items[item].kind}`, this.clips)));
    this.said = h("span", { class: "cl-said" });
    this.buttons = new Map();                                      // key of an answer -> its button
    const option = (key, style, words, given, label) => {
      const one = button(`cl-small ${style}`, () => change(this, given), words);
      one.disabled = Boolean(stays);
      one.setAttribute("aria-label", label);
      this.buttons.set(key, one);
      return one;
    };
    const style = { left: "cl-left", right: "cl-right" };
    const options = ranking ? [button("cl-small", () => again(answer), "Order these again")]
      : scale ? [...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((value) => option(value,
        value < 5 ? "cl-left" : value > 5 ? "cl-right" : "", String(value), { choice: side(value), confidence: value },
        `${value}: ${sureness(value)}`)), option("skip", "", "Skip", { choice: "skip" }, SAID.skip)]
      : Object.entries(CHOICES).map(([choice, words]) => option(choice, style[choice] ?? "", words, { choice },
        SAID[choice]));
    if (ranking) options[0].disabled = Boolean(stays);
    const again2 = !twice ? "" : h("p", { class: "cl-twice" }, `Asked twice: first “${SAID[twice.first]}”, then `
      + `“${SAID[twice.second]}”: ${twice.same ? "the same" : "different"}.`);
    const prompt = !question.prompt ? "" : h("div", { class: "cl-past-prompt", tabIndex: 0, role: "region",
      "aria-label": `Answer ${number}, prompt` }, question.prompt);
    this.node = h("li", { class: "cl-past" }, prompt,
      div(ranking ? "cl-row" : "cl-pair", ...items), again2, h("p", { class: "cl-past-words" }, this.said),
      h("div", { class: "cl-past-answers", role: "group", "aria-label": `Answer ${number}, another one` },
        ...options));
    this.paint();
  }
  paint() {
    const { choice, confidence, ranks, was } = this.answer;
    const said = choice === "skip" ? SAID.skip : ranks ? "in the order shown" : confidence ? sureness(confidence)
      : SAID[choice];
    this.said.textContent = `You said: ${said}${was && was !== choice ? `; before that: ${SAID[was]}` : ""}.`;
    for (const [key, one] of this.buttons)
      one.setAttribute("aria-pressed", String(key === choice || (key === confidence && choice !== "skip")));
  }
}

/** Swipes of one finger over `node`. `asked()` is the question on screen, null where a swipe means nothing. */
class Swipe {
  constructor(node, asked, answer) {
    Object.assign(this, { node, asked, answer, from: null });
    for (const [name, act] of Object.entries({ down: this.begin, move: this.follow, up: this.end, cancel: this.reset }))
      node.addEventListener(`pointer${name}`, (event) => event.pointerType === "touch" && act.call(this, event));
  }
  begin({ isPrimary, clientX, clientY }) {                         // a second finger ends it: that is a pinch
    this.reset();
    const question = this.asked();
    if (isPrimary && question) this.from = { clientX, clientY, question };
  }
  follow({ clientX, clientY }) {
    if (!this.from) return;
    const across = clientX - this.from.clientX, along = clientY - this.from.clientY;
    const far = Math.abs(across) >= SWIPE && Math.abs(across) > 2 * Math.abs(along);       // else one wants to scroll
    this.towards = !far ? "" : across < 0 ? "left" : "right";
    this.node.dataset.towards = this.towards;
    this.node.style.setProperty("--swiped", `${Math.max(-14, Math.min(14, across / 6))}px`);
  }
  end(event) {
    this.follow(event);
    const choice = this.from?.question === this.asked() && this.towards;
    this.reset();
    if (choice) this.answer(choice);
  }
  reset() {
    [this.from, this.towards] = [null, ""];
    this.node.style.removeProperty("--swiped");
    delete this.node.dataset.towards;
  }
}

// ---- the whole widget ----------------------------------------------------------------------------------------------

class Labeler {
  constructor(model, el) {
    Object.assign(this, { model, el, view: newId(), state: null, current: null, stage: null, queue: [], past: [] });
    Object.assign(this, { note: "", error: "", silentSince: 0, closed: false, shownAt: 0, undoneAt: 0, page: null });
    this.player = new Player(() => this.paintPlayer());
    this.build();
    el.append(this.root);
    this.arrived = Promise.resolve();                              // messages are handled one after the other
    this.receive = (message) => {
      this.arrived = this.arrived.then(() => this.hear(message)).catch((error) => this.fail(error));
    };
    model.on("msg:custom", this.receive);
    const keydown = (event) => {
      if (this.root.contains(event.target)) this.press(event);
      else if (this.closed && !this.root.isConnected) window.removeEventListener("keydown", keydown, true);
    };
    window.addEventListener("keydown", keydown, true);             // first of all: Notebook 7 cuts a cell on "x"
    this.watcher = new IntersectionObserver((entries) => this.player.show(entries.at(-1).isIntersecting));
    this.watcher.observe(this.root);
    this.timers = [setInterval(() => this.poll(), HELLO_MS), setInterval(() => this.renew(), RENEW_MS)];
    this.paint();
    this.tell({ type: "hello" });
  }

  close() {                                                     // Jupyter has taken the view away, or lost the kernel
    this.closed = true;
    this.turn(null);
    this.timers.forEach(clearInterval);
    this.watcher.disconnect();
    this.model.off("msg:custom", this.receive);
    this.player.play(false);
    this.paint();
  }

  // -- the parts --

  build() {
    const answer = (choice) => () => this.answer({ choice });
    const skip = () => {
      const one = button("", answer("skip"), key("S"), h("span", {}, "Skip ", h("small", {}, SKIP)));
      one.title = `Skip: ${SKIP}`;
      return one;
    };
    this.title = h("h3", { class: "cl-title", id: `title-${this.view}` });
    this.bar = div("cl-fill");
    this.progress = h("div", { class: "cl-progress", role: "progressbar", "aria-label": "Pairs labelled",
      "aria-valuemin": 0 }, this.bar);
    this.number = div("cl-number");
    this.prompt = h("div", { class: "cl-prompt", tabIndex: 0, role: "region", "aria-label": "Prompt" });
    this.body = div("cl-body");
    new Swipe(this.body, () => (this.mode === "pair" ? this.current : null), (choice) => this.answer({ choice }));
    this.sheet = h("div", { class: "cl-sheet", tabIndex: -1, role: "group", hidden: true });

    this.playButton = button("cl-small", () => this.player.play(!this.player.playing));
    this.slowButton = button("cl-small", () => this.player.slow(), "½ speed");
    this.slider = h("input", { class: "cl-slider", type: "range", min: 0, step: 1, "aria-label": "Frame of all clips",
      oninput: () => this.player.seek(Number(this.slider.value)) });
    this.frame = h("span", { class: "cl-frame" });
    this.controls = div("cl-controls", this.playButton,
      button("cl-small", () => this.player.step(-1), icon("back"), unseen("One frame back")),
      button("cl-small", () => this.player.step(1), icon("forward"), unseen("One frame on")),
      this.slider, this.frame, this.slowButton);

    const steps = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((value) => {
      const side = value < 5 ? "cl-left" : value > 5 ? "cl-right" : "";
      const step = button(`cl-step ${side}`, () => this.answerScale(value), String(value));
      step.setAttribute("aria-label", `${value}: ${sureness(value)}`);
      step.title = sureness(value);
      return step;
    });
    this.save = button("cl-main", () => this.saveRanking(), key("Enter"), "Save this order");
    this.bars = {
      pair: div("cl-answers", button("cl-left", answer("left"), key("←"), "Left is better"),
        button("", answer("equal"), key("E"), "Equally good"), skip(),
        button("cl-right", answer("right"), "Right is better", key("→"))),
      scale: div("cl-answers cl-scale",
        h("div", { class: "cl-steps", role: "group", "aria-label": "How sure are you?" }, ...steps),
        div("cl-ends", mute("left, surely"), mute("equally good"), mute("right, surely")), skip()),
      ranking: div("cl-answers cl-rank-bar", this.save,
        button("", () => this.stage.reset(), key("Backspace"), "Start over"), skip()),
    };

    this.words = h("span");
    this.retry = button("cl-small", () => this.tryAgain(), "Try again");
    this.banner = h("div", { class: "cl-banner", role: "alert", hidden: true }, this.words, this.retry);
    this.undoButton = button("cl-small", () => this.undo(), icon("undo"), "Undo ", key("U"));
    this.status = h("span", { class: "cl-status" });
    this.script = button("cl-small", () => this.turn("ask"), "Let the synthetic labeler finish");
    this.helpButton = button("cl-small", () => this.toggleHelp(), "Keys ", key("?"));
    this.help = h("div", { class: "cl-help", hidden: true });
    this.live = h("div", { class: "cl-sr", role: "status", "aria-live": "polite" });
    const hint = h("span", { class: "cl-hint" }, "Click here, then use the keys.");
    this.touchHint = h("span", { class: "cl-touch-hint" }, "Swipe towards the better one, or tap a button.");
    this.root = h("div", { class: "cl-root", tabIndex: 0, role: "group", "aria-labelledby": this.title.id },
      div("cl-head", this.title, div("cl-far", this.progress, this.number)),
      this.prompt, this.body, this.sheet, this.controls, ...Object.values(this.bars), this.banner,
      div("cl-foot", this.undoButton, div("cl-says", this.status, hint, this.touchHint), this.script, this.helpButton),
      this.help, this.live);
    this.root.addEventListener("click", (event) => {
      if (event.detail && !this.root.contains(document.activeElement)) this.focus();
    });
  }

  // -- asking --

  /** Put the next question on screen: of two sources, one taken back comes first. */
  show(question) {
    const focused = this.root.contains(document.activeElement);
    this.current = question;
    this.stage = !question ? null : question.items.length > 2 ? new Ranking(question) : new Pair(question);
    if (this.stage) this.stage.changed = () => this.paint();
    this.body.replaceChildren(...(this.stage ? [this.stage.node] : []));
    this.prompt.textContent = question?.prompt ?? "";
    this.shownAt = Date.now();
    this.shownClock = performance.now();
    this.player.load(this.stage?.clips ?? []);
    this.root.dataset.question = question?.id ?? "";
    if (focused && !this.root.contains(document.activeElement)) this.focus();
    this.paint();
  }

  next() { this.show(this.queue.shift() ?? null); }

  get mode() {
    if (!this.current || this.page) return null;
    return this.current.items.length > 2 ? "ranking" : this.state.scale ? "scale" : "pair";
  }

  // -- answering --

  /** Take one answer: keep it, send it, show the next question. `given`: { choice, confidence } or { ranks }. */
  answer(given) {
    const clock = performance.now();
    if (this.closed || !this.current || clock - this.shownClock < this.state.lock_ms) return;
    const message = { type: "answer", id: newId(), question: this.current.id, ...given, extra: this.current.extra,
      shown_at: this.shownAt / 1000, answered_at: Date.now() / 1000, response_ms: Math.round(clock - this.shownClock),
      plays: this.player.plays };
    this.past.push({ question: this.current, id: message.id });
    if (this.past.length > PAST) this.past.shift();
    this.keep(message);
    this.say(given.ranks ? "Order saved." : `You said: ${SAID[given.choice]}.`);
    this.next();
  }
  answerScale(confidence) { this.answer({ choice: side(confidence), confidence }); }
  saveRanking() { if (this.stage?.complete) this.answer({ ranks: this.stage.ranks }); }

  undo() {
    if (this.closed || this.page || performance.now() - this.undoneAt < this.state?.lock_ms) return;
    this.undoneAt = performance.now();
    const last = this.past.pop();
    this.say("Your last answer is taken back.");
    if (!last) { this.tell({ type: "undo", id: newId() }); return; }     // from before a reload: Python knows which
    this.takeBack(last.id, last.question);
  }

  takeBack(event, question) {
    this.keep({ type: "undo", id: newId(), event, question: question.id, extra: question.extra,
      answered_at: Date.now() / 1000 });
    if (this.current) this.queue.unshift(this.current);
    this.show(question);
  }

  keep(message) { this.outbox.put(message); this.send(message); }
  send(message) {
    this.outbox.sent.set(message.id, performance.now());
    this.tell(message);
  }
  say(words) { this.note = words; this.live.textContent = words; }

  // -- pages that lie over the question --

  /** Lay a page over the question: its name, and what it knows; null takes it away. */
  turn(name, known = {}) {
    const focused = this.root.contains(document.activeElement);
    if (this.page?.name === "review") this.player.load(this.stage?.clips ?? []);
    this.page = name && { name, ...known };
    this.paintPage();
    if (!name) [this.shownAt, this.shownClock] = [Date.now(), performance.now()];       // the question is seen anew
    this.paint();
    if (focused) (name ? this.sheet : this.root).focus({ preventScroll: true });
  }

  paintPage() {
    const { page } = this, make = { ask: this.asking, run: this.running, failed: this.failed,
      review: this.reviewing };
    const focused = this.sheet.contains(document.activeElement);
    this.sheet.replaceChildren(...(page ? make[page.name].call(this, page) : []));
    this.sheet.setAttribute("aria-label", this.sheet.querySelector(".cl-page-title")?.textContent ?? "");
    const stop = page?.name === "run" && this.sheet.querySelector("button:enabled");
    if (focused && page) (stop || this.sheet).focus({ preventScroll: true });
  }

  /** Escape, and the second button of each page. */
  leavePage() {
    if (this.page.name === "run") this.stop();
    else this.turn(null);
  }

  asking() {
    const open = this.state.target - this.done, { own } = this.state;
    return [h("h4", { class: "cl-page-title" }, `Let the synthetic labeler answer ${pairs(open)}?`),
      h("ul", {},
        h("li", {}, `It answers the ${pairs(open)} still open. You are not asked about them any more.`),
        h("li", {}, "Its labels are marked ", h("code", {}, "scripted"), ", yours ", h("code", {}, "human"), "."),
        h("li", {}, !own ? "This run holds no labels of yours, so nothing is mixed."
          : `This run already holds ${own} ${own === 1 ? "label" : "labels"} of yours. The preference loop refuses to `
          + "train on a mixture of both unless you allow it explicitly (mixed=True).")),
      div("cl-page-foot", button("cl-main", () => this.runScript(open), `Answer ${pairs(open)}`),
        button("", () => this.turn(null), "Cancel ", key("Esc")))];
  }

  running({ answered, goal, stopping }) {
    const stop = button("", () => this.stop(), stopping ? "Stopping…" : "Stop ", ...(stopping ? [] : [key("Esc")]));
    stop.disabled = Boolean(stopping);
    return [h("h4", { class: "cl-page-title" }, "The synthetic labeler is answering"),
      h("p", {}, `${answered} of ${pairs(goal)} answered. If you stop it, the rest stays open for you.`),
      div("cl-page-foot", stop)];
  }

  failed({ words, answered }) {
    return [h("h4", { class: "cl-page-title" }, "The synthetic labeler stopped with an error"),
      h("p", { class: "cl-page-words" }, words),
      h("p", {}, `${answered ? `The ${pairs(answered)} that it answered before are saved. ` : ""}You can answer the `
        + "rest yourself, or mend the function and run this cell again."),
      div("cl-page-foot", button("cl-main", () => this.turn(null), "Go on myself ", key("Esc")))];
  }

  reviewing({ past, total, first, stays }) {
    const back = button("", () => this.turn(null), "Back ", key("Esc"));
    if (!past) return [h("h4", { class: "cl-page-title" }, "Your answers"), h("p", {}, "Fetching them…"), back];
    const { repeats, same } = this.state.summary, last = Math.min(first + REVIEWED, total);
    const agreement = !repeats.length ? "" : `You were asked ${pairs(repeats.length)} twice and gave the same answer `
      + `to ${same} of them; ${repeats.length === 1 ? "it comes" : "they come"} first. `;
    const turn = (words, from, off) => {
      const one = button("cl-small", () => this.review(from), words);
      one.disabled = off;
      return one;
    };
    return [h("h4", { class: "cl-page-title" }, `Your answers, ${first + 1} to ${last} of ${total}`),
      h("p", {}, agreement, stays || "You can change an answer: the new one counts, and the label file keeps both. "
        + "Whether you agree with yourself is told by what you said first."),
      h("ul", { class: "cl-review" }, ...past.map((one) => one.node)),
      div("cl-page-foot", back, total > REVIEWED ? turn("Earlier", first - REVIEWED, first === 0) : "",
        total > REVIEWED ? turn("Later", first + REVIEWED, last === total) : "")];
  }

  review(first = 0) {
    if (this.page?.name !== "review") this.turn("review", { first });      // else the old page stays for the moment
    this.say("");
    this.tell({ type: "review", first, count: REVIEWED });
  }

  /** Python has sent the answers of one page of the review. */
  async reviewed({ first, total, answers, stays }) {
    await Promise.all(answers.map(({ question }) => decode(question)));
    if (this.page?.name !== "review") return;
    const past = answers.map((answer, place) => new PastAnswer(answer, first + place + 1, this.state.scale, stays,
      (one, given) => this.change(one, given), (one) => this.orderAgain(one)));
    Object.assign(this.page, { first, total, stays, past });
    this.paintPage();
    this.player.load(past.flatMap((one) => one.clips));
    if (this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });     // a page turned
  }

  /** Say something else about a past pair. Python takes the old answer back and files the new one. */
  change(one, given) {
    const { event, question, choice, confidence, was } = one.answer;
    if (given.choice === choice && (given.confidence ?? null) === (confidence ?? null)) return;
    const id = newId();
    this.past = [...this.past.filter((past) => past.id !== event), { question, id }].slice(-PAST);
    this.keep({ type: "change", id, event, question: question.id, ...given, extra: true,
      answered_at: Date.now() / 1000 });
    Object.assign(one.answer, { event: id, confidence: null, was: was ?? choice }, given);
    one.paint();
    this.say(`Changed to: ${given.confidence ? sureness(given.confidence) : SAID[given.choice]}.`);
    this.paint();
  }

  orderAgain({ event, question }) {
    this.turn(null);
    this.past = this.past.filter((past) => past.id !== event);
    this.takeBack(event, question);
    this.say("Your order is taken back: give it again.");
  }

  runScript(goal) {
    this.turn("run", { goal, answered: 0 });
    this.tell({ type: "synthetic", count: BATCH });
  }

  stop() {
    if (this.page.stopping) return;
    this.page.stopping = true;
    this.paintPage();
    this.say("Stopping after these pairs.");
  }

  /** Python has answered some pairs by its function: ask for more, or end. */
  scripted({ answered, stopped, done, target }) {
    const { page } = this;
    page.answered += answered;
    if (stopped) { this.turn("failed", { words: stopped, answered: page.answered }); this.say(""); return; }
    if (answered && done < target && !page.stopping) {
      this.paintPage();
      this.tell({ type: "synthetic", count: BATCH });
      return;
    }
    this.turn(null);
    this.say(`The synthetic labeler answered ${pairs(page.answered)}.`);
  }

  // -- talking with Python --

  tell(message) {
    this.silentSince ||= performance.now();
    const have = [this.current, ...this.queue].filter(Boolean).map((question) => question.id);
    try {
      this.model.send({ ...message, view: this.view, have });
    } catch (error) { console.warn("labeller: not sent", error); }     // the silence will be noticed
  }

  async hear(message) {
    this.silentSince = 0;
    if (message.type === "error") {
      this.error = message.words;
      if (this.page?.name === "run") this.turn(null);
      this.paint();
      return;
    }
    const first = !this.state, mine = message.view === this.view;
    this.state = message;
    this.outbox ??= new Outbox(`${message.store}:${message.run}:${message.labeler}`);
    message.acks.forEach((id) => this.outbox.drop(id));
    if (!this.outbox.size) this.error = "";                      // as long as an answer waits, so does the warning
    if (first) this.outbox.waiting.forEach((kept) => this.send(kept));     // from a killed kernel or a closed tab
    if (mine && message.note) this.say(message.note);
    const takenBack = this.outbox.waiting.filter((m) => m.type === "undo").map((m) => m.question);
    for (const id of message.gone) {
      if (takenBack.includes(id)) continue;                        // answered, but since then on screen again
      this.queue = this.queue.filter((question) => question.id !== id);
      if (this.current?.id === id) this.next();
    }
    if (mine) await this.enqueue(message);
    if (mine && this.page?.name === "review") {
      if (message.review) await this.reviewed(message.review);
      else if (message.note) { this.tell({ type: "review", first: this.page.first, count: REVIEWED }); }    // refused
    }
    if (mine && message.fresh && this.current) requestAnimationFrame(() => this.reveal());
    if (mine && this.page?.name === "run" && message.answered !== undefined) this.scripted(message);
    this.paint();
  }

  async enqueue({ questions, front }) {
    const answered = this.outbox.waiting.filter((m) => m.type === "answer").map((m) => m.question);
    const held = (id) => answered.includes(id) || [this.current, ...this.queue].some((one) => one?.id === id);
    for (const question of front) {                                // taken back after a reload: show it now
      if (held(question.id)) continue;
      const back = await decode(question);
      if (this.current) this.queue.unshift(this.current);
      this.show(back);
    }
    for (const question of questions) if (!held(question.id)) this.queue.push(await decode(question));
    if (!this.current && this.queue.length) this.next();
  }

  poll() {
    if (!this.state) this.tell({ type: "hello" });
    else if (!this.silentSince) {                                  // Python hears us: send again what it could not file
      const late = this.outbox.waiting.filter((m) => performance.now() - (this.outbox.sent.get(m.id) ?? 0) > RESEND_MS);
      if (late.length) late.forEach((m) => this.send(m));
      else if (!this.current && !this.state.summary && !document.hidden) this.tell({ type: "hello" });
    }
    this.paint();
  }
  renew() { if (this.current && !document.hidden) this.tell({ type: "renew" }); }
  tryAgain() {
    if (this.outbox?.size) this.outbox.waiting.forEach((m) => this.send(m));
    else if (this.page?.name === "run") this.tell({ type: "synthetic", count: BATCH });
    else if (this.page?.name === "review") this.review(this.page.first);
    else this.tell({ type: "hello" });
  }
  fail(error) {
    console.error("labeller", error);
    this.error = `The labeller stumbled (${error.message}). Your answers are kept. Run this cell again.`;
    this.paint();
  }

  // -- painting --

  paint() {
    const { state, page, mode, done } = this, reviewing = page?.name === "review";
    const over = !page && !this.current && state?.summary && !this.outbox?.size;
    this.title.textContent = !state ? "Loading the first pair…" : over ? this.ending() : state.title;
    this.progress.setAttribute("aria-valuemax", state?.target || 1);
    this.progress.setAttribute("aria-valuenow", done);
    this.progress.setAttribute("aria-valuetext", state ? `${done} of ${pairs(state.target)} answered` : "");
    this.bar.style.width = `${state?.target ? (100 * done) / state.target : 0}%`;
    this.number.textContent = state ? `${done} / ${state.target}` : "";
    this.number.title = state ? `${done} of ${pairs(state.target)} of this run answered, earlier rounds included` : "";
    this.sheet.hidden = !page;
    this.body.hidden = Boolean(page);
    this.prompt.hidden = !this.current?.prompt || Boolean(page);
    this.controls.hidden = page ? !(reviewing && this.player.clips.length) : !this.stage?.clips.length;
    for (const [name, bar] of Object.entries(this.bars)) {
      bar.hidden = name !== mode;
      for (const one of bar.querySelectorAll("button")) one.disabled = this.closed;
    }
    this.touchHint.hidden = mode !== "pair";
    if (mode === "ranking") this.save.disabled = this.closed || !this.stage.complete;
    this.undoButton.disabled = this.closed || Boolean(page) || !(this.past.length || done > (state?.scripted ?? 0));
    this.script.hidden = !state?.has_synthetic || this.closed || over || Boolean(page);
    if (over && this.body.dataset.summary !== JSON.stringify(state)) {
      this.body.replaceChildren(this.summary(state));
      this.body.dataset.summary = JSON.stringify(state);
    } else if (!over) delete this.body.dataset.summary;
    const wrong = this.wrong();
    this.words.textContent = wrong;
    this.banner.hidden = !wrong;
    this.retry.hidden = this.closed;
    this.status.textContent = this.note || this.advice(over);
    const at = document.activeElement;                             // a button that has just gone takes the keys with it
    if (at !== this.root && this.root.contains(at) && (at.disabled || !at.offsetParent)) this.focus();
  }

  /** How many pairs are answered, those on their way to Python included. */
  get done() { return this.state ? Math.min(this.state.target, this.state.done + this.outbox.change) : 0; }

  /** What is wrong just now, in words that say what to do; empty when all is well. */
  wrong() {
    const kept = this.outbox?.size ?? 0, silent = this.silentSince ? performance.now() - this.silentSince : 0;
    const where = this.outbox?.durable ? "this browser" : "this page: keep it open";
    const safe = !kept ? "Everything you answered is saved."
      : `${kept === 1 ? "1 answer waits" : `${kept} answers wait`} safely in ${where}.`;
    if (this.closed) return `The connection to the kernel is gone. ${safe} Run this cell again to go on.`;
    if (this.error) return kept ? `${this.error} ${safe}` : this.error;
    if (silent < (this.page?.name === "run" ? BATCH_MS : kept ? PENDING_MS : SILENT_MS)) return "";
    return `The kernel does not answer: it is busy or has stopped. ${safe} If another cell is running, wait for it; `
      + "else run this cell again.";
  }

  advice(over) {
    if (this.mode === "ranking" && !this.stage.complete) return "Press the numbers from best to worst, or drag.";
    if (this.current && this.state.scripted && !this.state.own)
      return `The ${pairs(this.state.scripted)} answered so far are the synthetic labeler's; yours will mix with them.`;
    return this.current || over || this.page || !this.state ? "" : "Waiting for the next pair…";
  }

  ending() {
    const { done, target, total } = this.state;
    return !total ? "There are no pairs yet" : done >= target ? "Done. Thank you!" : "No more pairs just now";
  }

  summary({ summary, done, target, total }) {
    const { left, equal, right, skip, rankings, repeats, same, seconds, mixture, file } = summary;
    const compared = left + equal + right;
    const tile = (big, small) => div("cl-tile", h("b", {}, big), h("span", {}, small));
    const parts = Object.entries({ left, equal, right, skip }).filter(([, count]) => count);
    const label = parts.map(([name, count]) => `${count} ${name}`).join(", ");
    const twice = repeats.map((pair) => h("li", {}, `Pair ${pair.pair}: first “${SAID[pair.first]}”, then `
      + `“${SAID[pair.second]}” ${pair.same ? "(the same)" : "(different)"}`));
    return div("cl-summary",
      h("p", {}, total ? "Run the next cell to use these answers."
        : "Add some with store.add_pair(...), then run this cell again."),
      mixture ? this.mixture(mixture) : "",
      !parts.length ? "" : h("div", { class: "cl-parts", role: "img", "aria-label": label }, ...parts.map(
        ([name, count]) => h("span", { class: `cl-part-${name}`, style: `flex-grow: ${count}`,
          title: `${count} times: ${SAID[name]}` }, `${count} ${name}`))),
      div("cl-tiles", tile(String(done), `pairs answered${rankings ? `, ${rankings} of them orders of several` : ""}`),
        compared ? tile(`${Math.round((100 * equal) / compared)}%`, "answered “equally good” (ties)") : "",
        repeats.length ? tile(`${same} of ${repeats.length}`, "pairs asked twice, same answer") : "",
        seconds ? tile(`${seconds} s`, "typical time for a pair (median)") : ""),
      !twice.length ? ""
        : h("details", {}, h("summary", {}, "The pairs you were asked twice, sides swapped"), h("ul", {}, ...twice)),
      h("p", { class: "cl-file" }, `Saved in ${file}`),
      div("cl-page-foot", this.state.own ? button("", () => this.review(), "Review my answers") : "",
        total > target ? button("", () => this.tell({ type: "more" }), "Label some more") : ""));
  }

  /** What to do about labels of two sources. */
  mixture({ human, scripted, used, again }) {
    const words = again ? "The preference loop refuses to train on both unless you allow it (mixed=True), for nobody "
      + "could tell later whose preferences were learned."
      : `${used} of the synthetic ones are already used for training and stay. So `
      + "either keep only the synthetic ones, labeler.keep_only(\"scripted\"), or allow both, mixed=True.";
    return div("cl-mixture", h("p", {}, h("b", {}, "Two sources: "),
      `${human} of these labels are yours, ${scripted} are the synthetic labeler's. ${words}`),
      again ? button("", () => this.tell({ type: "keep_only", source: "human" }),
        `Keep only mine: ${pairs(again)} will be asked again`) : "");
  }

  paintPlayer() {
    const { player } = this;
    if (!this.playButton) return;
    const state = player.playing ? "pause" : "play";
    if (this.playButton.dataset.state !== state) {
      this.playButton.replaceChildren(icon(state), player.playing ? "Pause" : "Play");
      this.playButton.dataset.state = state;
    }
    this.slowButton.setAttribute("aria-pressed", String(player.speed !== 1));
    this.slider.max = Math.max(0, player.frames - 1);
    this.slider.value = player.frame;
    this.frame.textContent = `${player.frame + 1} / ${player.frames}`;
  }

  toggleHelp() {
    const names = [...(KEY_HELP[this.mode] ?? []), ...KEY_HELP.always];
    this.help.replaceChildren(...names.map(([name, words]) => h("span", {}, key(name), ` ${words}`)));
    this.help.hidden = !this.help.hidden;
    this.helpButton.setAttribute("aria-expanded", String(!this.help.hidden));
  }

  // -- keys --

  /** Bring all of the widget into view where some of it is: JupyterLab scrolls before it knows how tall it will be. */
  reveal() {
    const { top, bottom } = this.root.getBoundingClientRect();
    if (top < innerHeight && bottom > 0) this.root.scrollIntoView({ block: "nearest" });
  }

  focus() { this.root.focus({ preventScroll: true }); }

  press(event) {
    const name = event.key.toLowerCase(), control = event.target.closest("button, input, summary");
    if (name === "escape") { event.stopPropagation(); this.page ? this.leavePage() : this.leave(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || name === "tab") return;          // Ctrl+S still saves
    event.stopPropagation();                                       // the notebook must not see "x", "d d", "z" ...
    if (control && (name === " " || name === "enter")) return;     // a focused button keeps its own keys
    if (event.target === this.slider && name.startsWith("arrow")) return;
    if (event.repeat && name !== "," && name !== ".") { event.preventDefault(); return; }  // a held key answers once
    if (this.act(name)) event.preventDefault();
  }

  /** Carry out what a key stands for; false when it stands for nothing here. */
  act(name) {
    const { mode, stage, player } = this, digit = Number(name);
    const plays = this.page?.name === "review" && player.clips.length && [" ", ",", ".", "h"].includes(name);
    if (this.page && name !== "?" && !plays) return false;         // a page is worked with Tab, Enter and Escape
    if (mode === "pair" && PAIR_KEYS[name]) this.answer({ choice: PAIR_KEYS[name] });
    else if (mode === "scale" && digit >= 1) this.answerScale(digit);
    else if (mode && name === "s") this.answer({ choice: "skip" });
    else if (mode === "ranking" && digit >= 1) stage.press(digit - 1);
    else if (mode === "ranking" && name === "=") stage.tieLast();
    else if (mode === "ranking" && name === "backspace") stage.reset();
    else if (mode === "ranking" && name === "enter") this.saveRanking();
    else if (name === "u" || name === "z") this.undo();
    else if (name === "?") this.toggleHelp();
    else if (name === " ") player.play(!player.playing);
    else if (name === ",") player.step(-1);
    else if (name === ".") player.step(1);
    else if (name === "h") player.slow();
    else return false;
    return true;
  }

  leave() {                                                        // Escape: hand the keyboard back to the notebook
    document.activeElement.blur();
    const notebook = this.root.closest(".jp-Notebook");
    (notebook?.querySelector(".jp-Cell.jp-mod-active") ?? notebook)?.focus();
  }
}

const side = (value) => (value < 5 ? "left" : value > 5 ? "right" : "equal");

function sureness(value) {
  const how = ["", "barely", "a little", "quite sure", "surely"][Math.abs(value - 5)];
  return value === 5 ? "equally good" : `${value < 5 ? "left" : "right"}, ${how}`;
}

export default {
  render({ model, el }) {
    const labeler = new Labeler(model, el);
    return () => labeler.close();
  },
};
