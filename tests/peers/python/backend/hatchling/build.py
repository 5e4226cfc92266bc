"""Stands in for the build backend of a source distribution that is only to be unpacked.

pip asks it for the name and the version; they stand in PKG-INFO, so that no code of a package and no build tool runs.
"""

import email.parser
import pathlib
import shutil


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    facts = email.parser.HeaderParser().parsestr(pathlib.Path("PKG-INFO").read_text("utf-8"))
    name = f"{facts['Name']}-{facts['Version']}.dist-info"
    folder = pathlib.Path(metadata_directory, name)
    folder.mkdir(parents=True)
    shutil.copy("PKG-INFO", folder / "METADATA")
    return name
