"""Why a socket is closed: the numbers of the core's sockets for what they mean there, and one more.

=====  =================================================================================  ==============================
code   why                                                                                what a client does
=====  =================================================================================  ==============================
4401   no token, or a wrong one, or it or the session is over; nobody is known for long   stop; come back with a new one
4403   no member (any more), a participant that is disabled, or another one's inbox       stop
4408   what was sent was not acknowledged, or not read, in time                           come back
4008   too many frames were refused                                                       come back, slowly
4011   the server failed; its log says how                                                come back
4012   this worker stops                                                                  come back at once
4013   what is needed does not answer just now                                            come back
=====  =================================================================================  ==============================

To come back is to wait a random time up to 0.5 s, which doubles with each attempt in vain up to 30 s, and to join with
``after_seq``. A server that is killed says none of these.
"""

from __future__ import annotations

from typing import Final

UNAUTHENTICATED: Final = 4401
FORBIDDEN: Final = 4403
TOO_SLOW: Final = 4408
POLICY: Final = 4008
SERVER_ERROR: Final = 4011
RECONNECT: Final = 4012
TRY_LATER: Final = 4013
