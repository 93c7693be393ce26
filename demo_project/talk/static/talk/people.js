// Who is who: names and kinds, by the participant's id.

import { ask } from "./api.js";

export class People {
  #known = new Map();
  #url;

  /**
   * Begin with those whom the page has brought.
   *
   * @param me Who the visitor is: `{id, name}`.
   * @param people Everybody: `{id, name, kind}`.
   * @param url Where everybody is to be had again.
   */
  constructor(me, people, url) {
    this.me = me;
    this.#url = url;
    this.#take(people);
  }

  /** Learn from the members of a conversation. */
  learn(members) {
    this.#take(members.map(({ participant, display_name, kind }) => ({ id: participant, name: display_name, kind })));
  }

  /** Return a name to show. */
  name(id) {
    return this.#known.get(id)?.name || id;
  }

  /** Return a name to show, "You" for the visitor's own. */
  you(id) {
    return id === this.me.id ? "You" : this.name(id);
  }

  /** Return the other one of a conversation of two, undefined for a group. */
  other({ kind, members }) {
    return kind === "group" ? undefined : members.find(({ participant }) => participant !== this.me.id)?.participant;
  }

  /** Return what a conversation is called. */
  title(conversation) {
    const other = this.other(conversation);
    if (conversation.title || other) return conversation.title || this.name(other);
    return conversation.members.map(({ participant }) => this.you(participant)).join(", ") || "Group";
  }

  /** Ask who there is by now, and return the others. */
  async others() {
    this.#take((await ask("GET", this.#url)).people);
    return [...this.#known.values()].filter(({ id }) => id !== this.me.id);
  }

  #take(people) {
    for (const each of people) this.#known.set(each.id, each);
  }
}
