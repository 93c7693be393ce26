"""What all pages of the chat's admin have in common; their rules are those of ``admin``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from .conf import get_config
from .errors import ChatError
from .transactions import outside_transactions

MOST: Final = 1000
"""How many rows a list goes through, and an action takes (count)."""


def _without_nul(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse what no database takes, and Django would ask one for."""

    @functools.wraps(view)
    def through(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sent = [text for query in (request.GET, request.POST) for texts in query.lists() for text in texts[1]]
        if any("\0" in text for text in (request.path, *sent)):
            raise BadRequest("U+0000 is in no id and in no text")
        return view(request, *args, **kwargs)

    return through


class Pages(Paginator):
    """Pages of at most ``MOST`` rows, so that no more are counted."""

    @cached_property
    def count(self) -> int:
        """Return how many there are (count)."""
        found: int = self.object_list.order_by()[:MOST].count()
        return found


class ChatAdmin(admin.ModelAdmin):
    """What the pages have in common.

    Attributes:
        adding: The form of a new one, None = that of a change.
        written: Fields of the form that are not of the model, and are shown only to whoever may change them.
    """

    adding: ClassVar[Any] = None
    written: ClassVar[Sequence[str]] = ()
    paginator = Pages
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-id",)

    def get_urls(self) -> list[Any]:
        """Return the pages' URLs."""
        urls: list[Any] = super().get_urls()
        for each in urls:
            each.callback = outside_transactions(_without_nul(each.callback))
        return urls

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows of the chat's database."""
        return super().get_queryset(request).using(get_config().database)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether a list may be narrowed so by its address: only by what is searched for, and its filters.

        Django lets any of the model's own fields be asked about: who may only look could guess a secret by its
        beginnings, and have a whole table read.
        """
        return lookup in {*self.search_fields, *(each.parameter_name for each in self.list_filter)}

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Return what one of the search's fields is exactly this for, the first that is for any."""
        if not (term := search_term.strip()):
            return queryset, False
        for field in self.search_fields:
            found = queryset.filter(**{field: term})
            if found.exists():
                return found, False
        return queryset.none(), False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form of a new one, or of a change."""
        if obj is None and self.adding is not None:
            kwargs["form"] = self.adding
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Return the fields of a new one, or of what is there."""
        if obj is None:
            return list(self.adding.field_order or self.adding.base_fields)
        writes = self.has_change_permission(request, obj)
        return [name for name in self.fields if writes or name not in self.written]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Return what is only shown."""
        return () if obj is None else self.readonly_fields

    @method_decorator(csrf_protect)
    @method_decorator(sensitive_post_parameters("new_secret", "new_headers"))
    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a form, or do what it says; in no transaction, as nothing is told before its commit."""
        return self._changeform_view(request, object_id, form_url, extra_context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, and say how far it goes."""
        told = {"subtitle": f"At most {MOST:,} are listed: search for others by the exact id"}
        return super().changelist_view(request, {**told, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the form has done it."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: conversations are archived, and participants disabled."""
        return False

    def has_removal_permission(self, request: HttpRequest) -> bool:
        """Return whether whoever asks may use the actions that take something away."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.delete_{self.opts.model_name}"))

    def do(self, request: HttpRequest, queryset: QuerySet, verb: Callable[[Any], Any], said: str) -> None:
        """Do something with each selected row, log it, and say how it went."""
        rows = list(queryset[: MOST + 1])
        if len(rows) > MOST:
            self.message_user(request, f"Nothing was done: select at most {MOST:,}.", messages.ERROR)
            return
        done = 0
        for row in rows:
            try:
                verb(row)
            except ChatError as error:
                self.message_user(request, f"{row}: {error.message}", messages.ERROR)
            else:
                self.log_change(request, row, said)
                done += 1
        if done:
            self.message_user(request, f"{said}: {done}", messages.SUCCESS)


class Shown(ChatAdmin):
    """What is only looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False
