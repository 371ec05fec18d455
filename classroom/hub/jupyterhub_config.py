"""JupyterHub for one class on this machine. `course classroom hub DIR` starts it and sets the variables that it reads.

It is meant to be read and changed: another authenticator for a school's accounts, other limits, an address behind a
web server with TLS. Without TLS it listens on this machine only.
"""

import os
from pathlib import Path

from course_lib.classroom import gradebooks, hub_users
from course_lib.classroom.hub_spawner import Passwords, Sandboxed

c = get_config()  # noqa: F821
folder = Path(os.environ["COURSE_CLASS"])
port, hub_port, api_port = os.environ["COURSE_HUB_PORTS"].split(",")
teacher = os.environ["COURSE_HUB_TEACHER"]
roster = gradebooks.read_roster(folder / "private" / "roster.csv")
users = {name for name in hub_users.read(folder) if name == teacher or name in roster}

# Addresses: students open the first; the others are for the hub, the proxy and the servers among themselves.
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = [os.environ["COURSE_HUB_PROXY"]]
c.ConfigurableHTTPProxy.pid_file = str(folder / "hub" / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub' / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "hub" / "cookie_secret")
c.JupyterHub.cleanup_servers = True             # servers end with the hub; work is saved in the homes

# Who: the teacher and the students of the roster, with the passwords of private/hub_users.csv.
c.JupyterHub.authenticator_class = Passwords
c.Passwords.classroom = str(folder)
c.Authenticator.allowed_users = users
c.Authenticator.allow_existing_users = False    # who is taken out of the roster is let in no more
c.Authenticator.admin_users = {teacher}

# How: each student in a sandbox, with at most so much memory and so many processor cores.
c.JupyterHub.spawner_class = Sandboxed
c.Sandboxed.classroom = str(folder)
c.Sandboxed.teacher = teacher
c.Spawner.mem_limit = os.environ["COURSE_HUB_MEMORY"]
c.Spawner.cpu_limit = float(os.environ["COURSE_HUB_CPUS"])
c.Spawner.poll_interval = 2                     # seconds between two looks at the memory
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
c.JupyterHub.active_server_limit = len(users)
