"""``python -m testsite.prepare``: make the database of ``testsite.served``, with its two users."""

import django
from django.core.management import call_command


def make_users():
    from django.contrib.auth.models import User

    for name in ("ann", "bob"):
        User.objects.create_user(name, password="secret")


if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    make_users()
