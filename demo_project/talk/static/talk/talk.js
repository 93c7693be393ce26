// The page's script: puts its parts together, and keeps the address and the open conversation in step.
//
// Rules:
// 1. The inbox comes first. It is the visitor's own, so the server turns away a page whose visitor is somebody else by
//    now; the open conversation is connected only then.
// 2. On a phone the list and the conversation are two screens; the address says which.

import { ask } from "./api.js";
import { Beginning } from "./beginning.js";
import { Composer } from "./composer.js";
import { at, paint } from "./dom.js";
import { Header } from "./header.js";
import { Inbox } from "./inbox.js";
import { List } from "./list.js";
import { Menu } from "./menu.js";
import { notice, showConnection, speak } from "./notices.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Room } from "./room.js";
import { Scroll } from "./scroll.js";
import { Thread } from "./thread.js";

const { me, people: known, conversation: first, urls } = JSON.parse(at("start").textContent);
const people = new People(me, known, urls.people);
const outbox = new Outbox(me.id);
const thread = new Thread(people);
const scroll = new Scroll({ top: () => room?.past.earlier(), end: () => room?.mark() });
const header = new Header(people);
const composer = new Composer({ send, edit, typing: () => room.say({ type: "typing" }), own: () => thread.own });
const list = new List(people, urls.talk, (id) => go(id));
const page = { people, outbox, thread, scroll, header, composer, notice, speak, left, chat: urls.chat };
let room = null;
let live = false;

paint(at("my-avatar"), me.id, me.name);
new Menu((element) => thread.message(element), { edit: (message) => composer.edit(message), remove });
new Beginning(people, urls.chat, { notice, open: (conversation) => go(conversation.id, conversation) });
const inbox = new Inbox(`${urls.chat}inbox/${me.id}`, { changed, up, lost, ended: () => end() });
if (first) open(first);

at("back").addEventListener("click", (event) => {
  event.preventDefault();
  go(null);
});
addEventListener("popstate", () => open(location.pathname.slice(urls.talk.length).replace("/", "") || null));
document.addEventListener("visibilitychange", () => room?.mark());
at("messages").addEventListener("click", ({ target }) => {
  if ("again" in target.dataset) retry(thread.waits(target));
  if ("drop" in target.dataset) discard(thread.waits(target));
});

/** Open a conversation, null = the list, and have the address say so. */
function go(id, conversation) {
  if ((room?.id ?? null) !== id) history.pushState(null, "", id ? `${urls.talk}${id}/` : urls.talk);
  open(id, conversation);
}

function open(id, conversation) {
  document.body.dataset.screen = id ? "room" : "list";
  if ((room?.id ?? null) === id) return;
  room?.close();
  for (const element of document.querySelectorAll("[data-when-open]")) element.hidden = !id;
  at("no-room").hidden = Boolean(id);
  composer.lock("");
  composer.open(id);
  if (!id) at("composer").hidden = at("newest").hidden = true;
  room = id ? new Room(id, page, conversation ?? inbox?.items.find((item) => item.conversation.id === id)?.conversation) : null;
  if (live) room?.connect();
  list.show(inbox?.items ?? [], id);
  if (id) arrive();
}

/** Put the focus where one goes on: to the text, or where that would bring up a phone's keyboard, to the title. */
function arrive() {
  scroll.toEnd();
  if (matchMedia("(pointer: coarse)").matches) at("title").focus();
  else composer.focus();
}

// -- the inbox -------------------------------------------------------------------------------------------------------

function changed(gone) {
  list.show(inbox.items, room?.id);
  document.title = `${inbox.unread ? `(${inbox.unread}) ` : ""}Chat · Ember`;
  if (room && gone.includes(room.id)) left(room.id);
}

function up() {
  live = true;
  showConnection("open");
  room?.connect();
  outbox.post(urls.chat, () => room?.id);
}

function lost() {
  showConnection("lost");
}

function end() {
  live = false;
  room?.close();
  composer.lock("You are somebody else by now. Load the page again.");
  showConnection("closed", "You are somebody else by now, or nobody. Load the page again.");
}

function left(id, code) {
  if (code === 4401) return end();
  go(null);
  outbox.of(id).forEach(({ client_id }) => outbox.drop(client_id));
  notice("You are not in this conversation any more.");
}

// -- one's own messages ----------------------------------------------------------------------------------------------

function send(text) {
  const entry = outbox.add(room.id, text);
  thread.wait(entry);
  scroll.toEnd();
  room.sender.go();
}

async function edit({ conversation, id }, text) {
  return change("PATCH", conversation, id, { content: { text } });
}

async function remove({ conversation, id }) {
  return change("DELETE", conversation, id);
}

async function change(method, conversation, id, body) {
  try {
    thread.change(await ask(method, `${urls.chat}conversations/${conversation}/messages/${id}`, body));
    return true;
  } catch (error) {
    notice(error.message);
    return false;
  }
}

function retry(clientId) {
  thread.wait(outbox.mark(clientId, null));
  room.sender.go();
}

function discard(clientId) {
  outbox.drop(clientId);
  thread.drop(clientId);
}
