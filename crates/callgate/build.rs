//! Puts the pages of the error codes, `docs/errors/CGnnnn.md`, into the binary as one sorted table.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    let pages = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../docs/errors").canonicalize()?;
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut codes = Vec::new();
    for entry in fs::read_dir(&pages)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        let code = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        codes.push((code, fs::read_to_string(&path)?));
    }
    codes.sort();
    let mut table = String::from("pub(crate) const PAGES: &[(&str, &str)] = &[\n");
    for (code, text) in codes {
        writeln!(table, "    ({code:?}, {text:?}),").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("pages.rs"), table)
}
