// The open conversation: its socket's frames, and what they change on the page.
//
// Rules:
// 1. It joins with the last `seq` that it has, so nothing is missed and nothing is shown twice.
// 2. What is on the screen is read: at the end of the messages, in a window that can be seen.

import { Past } from "./past.js";
import { sentence } from "./api.js";
import { Sender } from "./sender.js";
import { Socket } from "./socket.js";

export class Room {
  #page;
  #socket;
  #joined = false;
  #marked = 0;
  #conversation;

  /**
   * Show a conversation; `connect` follows.
   *
   * @param id Which.
   * @param page The page's parts: people, thread, scroll, header, composer, outbox, chat, notice, speak, left.
   * @param known What is known of the conversation so far, undefined = nothing.
   */
  constructor(id, page, known) {
    this.id = id;
    this.#page = page;
    this.sender = new Sender(page.outbox, id, (frame) => this.#joined && this.#socket.say(frame));
    this.past = new Past(page.chat, id, page.thread, page.scroll);
    page.thread.clear();
    page.header.forget();
    if (known) this.#show(known);
    for (const entry of page.outbox.of(id)) page.thread.wait(entry);
  }

  /** Connect; fine to repeat. */
  connect() {
    this.#socket ??= new Socket(`${this.#page.chat}conversation/${this.id}`, {
      opened: () => this.#join(),
      frame: (frame) => this.#on[frame.type]?.(frame),
      lost: () => this.#lose(),
      ended: (code) => this.#page.left(this.id, code),
    });
  }

  /** Leave. */
  close() {
    this.sender.lost();
    this.past.close();
    this.#socket?.close();
  }

  /** Say something that is not kept: typing. */
  say(frame) {
    if (this.#joined) this.#socket.say(frame);
  }

  /** Mark as read what is on the screen. */
  mark() {
    const { thread, scroll } = this.#page;
    if (!this.#joined || document.visibilityState !== "visible" || !scroll.atEnd || thread.heard <= this.#marked) return;
    this.#marked = thread.last;
    this.#socket.say({ type: "read", seq: thread.last });
  }

  #on = {
    joined: (frame) => this.#begin(frame),
    message: ({ message }) => this.#add(message),
    edited: ({ message }) => this.#page.scroll.add(() => this.#page.thread.change(message)),
    deleted: ({ message }) => this.#page.scroll.add(() => this.#page.thread.change(message)),
    stream_chunk: (frame) => this.#page.scroll.add(() => this.#page.thread.stream(frame)),
    typing: ({ participant, expires_in_ms }) => this.#page.header.typing(participant, expires_in_ms),
    presence: ({ participant, online }) => this.#page.header.presence(participant, online),
    conversation: ({ conversation }) => this.#show(conversation),
    removed: ({ participant }) => this.#remove(participant),
    read: (frame) => this.#read(frame),
    ack: ({ client_id, seq }) => this.#stored(client_id, seq),
    backpressure: ({ client_id, retry_after_ms }) => this.#again(client_id, retry_after_ms),
    error: (frame) => this.#refuse(frame),
  };

  /** How far the visitor has read, as the server knows it. */
  get #own() {
    const { id } = this.#page.people.me;
    return this.#conversation.members.find(({ participant }) => participant === id)?.last_read_seq ?? 0;
  }

  #join() {
    const { last } = this.#page.thread;
    this.#socket.say(last ? { type: "join", after_seq: last } : { type: "join" });
  }

  #begin({ messages, truncated, more_before, conversation, present }) {
    const { thread, scroll, header } = this.#page;
    const before = thread.last;
    const anew = truncated || before === 0;
    if (anew) thread.clear(true);
    this.#joined = true;
    this.#show(conversation);
    this.#marked = this.#own;
    header.here(present);
    scroll.add(() => messages.forEach((message) => this.#put(message)), messages.length);
    if (anew) this.#start(more_before);
    else this.past.again(before);
    this.sender.go();
    scroll.look();
  }

  #start(more) {
    const { thread, scroll } = this.#page;
    this.past.more = more;
    const fresh = thread.begin(this.#marked);
    if (fresh) scroll.to(fresh);
    else scroll.toEnd();
  }

  #add(message) {
    const { thread, scroll, header, speak, people } = this.#page;
    if (message.seq <= thread.last) return;
    const other = message.sender !== people.me.id;
    scroll.add(() => this.#put(message), other ? 1 : 0);
    if (other) speak(`${people.name(message.sender)}: ${message.content.text ?? ""}`);
    header.typed(message.sender);
    this.mark();
  }

  #put(message) {
    this.#page.thread.add(message);
    if (message.sender !== this.#page.people.me.id || !message.client_id) return;
    this.#page.outbox.drop(message.client_id);
    this.sender.answered(message.client_id);
  }

  #stored(clientId, seq) {
    this.#page.outbox.drop(clientId);
    this.#page.thread.stored(clientId, seq);
    this.sender.answered(clientId);
  }

  #again(clientId, wait) {
    if (!this.#joined) setTimeout(() => this.#joined || this.#join(), wait);
    else if (clientId) {
      if (wait >= 1000) this.#page.notice(`The server is busy. Sending again in ${Math.ceil(wait / 1000)} s …`);
      this.sender.again(wait);
    } else setTimeout(() => this.#markAgain(), wait); // it may have been a mark that was too much
  }

  #markAgain() {
    this.#marked = this.#own;
    this.mark();
  }

  #refuse({ code, message, client_id, retry_after_ms }) {
    if (retry_after_ms || !this.#joined) return this.#again(client_id, retry_after_ms ?? 1000);
    if (!client_id) return this.#page.notice(sentence(message));
    const entry = this.#page.outbox.mark(client_id, `Not sent. ${sentence(message)}`);
    if (entry) this.#page.thread.wait(entry);
    this.sender.answered(client_id);
  }

  #read({ participant, last_read_seq }) {
    const member = this.#conversation.members.find((each) => each.participant === participant);
    if (member) member.last_read_seq = Math.max(member.last_read_seq, last_read_seq);
    if (participant === this.#page.people.me.id) this.#marked = Math.max(this.#marked, last_read_seq);
    this.#tick();
  }

  #remove(participant) {
    const members = this.#conversation.members.filter((each) => each.participant !== participant);
    this.#show({ ...this.#conversation, members });
  }

  #show(conversation) {
    const { people, header, thread, composer } = this.#page;
    const members = conversation.members.length ? conversation.members : (this.#conversation?.members ?? []);
    this.#conversation = { ...conversation, members };
    people.learn(members);
    thread.name(conversation.kind === "group");
    header.show(this.#conversation);
    composer.lock(conversation.status === "open" ? "" : "This conversation is closed: nothing more can be said.");
    this.#tick();
  }

  #tick() {
    const { thread, people } = this.#page;
    const others = this.#conversation.members.filter(({ participant, kind }) => participant !== people.me.id && kind === "user");
    thread.read(others.length ? Math.min(...others.map(({ last_read_seq }) => last_read_seq)) : 0);
  }

  #lose() {
    this.#joined = false;
    this.sender.lost();
    this.#page.thread.endStreams();
    this.#page.header.forget();
  }
}
