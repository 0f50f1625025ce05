"""Search a gallery in the browser: choose a picture, click a person, look at the hits.

mmpersonsearch serve archive.gallery
mmpersonsearch serve archive.gallery --host 0.0.0.0 --port 8080 --auth me:secret

The page is for this machine alone unless --host says otherwise, which asks for --auth. It shows pictures of the
archive and no other files, keeps no picture that is uploaded, and asks no other host for anything. Ctrl-C ends it.
"""

from __future__ import annotations

import signal
import sys

from mmpersonsearch.page.desk import Desk
from mmpersonsearch.page.server import listen, read_auth, serving

from .command_line import count, exit_on_bad_input, make_parser, positive
from .searchers import add_gallery, add_model, open_gallery, searcher_of


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("serve", __doc__, allow_abbrev=False)  # so that --auth is known where its value is hidden
    add_gallery(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument("--port", type=count, default=7860, help="port (%(default)s); 0 takes a free one")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask for these")
    parser.add_argument("--max-upload", type=positive, default=20, metavar="MB", help="largest picture (20)")
    add_model(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch serve"):
        auth = read_auth(args.auth, args.host)
        with open_gallery(args) as gallery, listen(args.host, args.port) as address:
            desk = Desk(gallery, searcher_of(args, gallery))
            with serving(desk, args.gallery, address, auth, args.max_upload) as server:
                host, port = address.getsockname()[:2]
                print(f"http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is closed
                server.run(sockets=[address])
