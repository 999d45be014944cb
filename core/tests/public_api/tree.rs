//! The modules of the crate, and what a name in one of them means.

use std::collections::BTreeMap;
use std::path::Path;

use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Token, UseTree, Visibility};

/// From the root, such as `["supervisor", "machine"]`.
pub type Module = Vec<String>;

/// Where something is defined: its module, and its name there.
pub type Place = (Module, String);

/// Every module that a user may get, with its items.
pub struct Tree {
    pub modules: BTreeMap<Module, Vec<Item>>,
}

/// One name that a `use` brings.
struct Import {
    is_public: bool,
    path: Vec<String>,
    /// `*` for all.
    name: String,
}

impl Tree {
    pub fn read(source: &Path) -> Self {
        let mut tree = Self { modules: BTreeMap::new() };
        tree.add(source, Vec::new(), items_of(&source.join("lib.rs")));
        tree
    }

    fn add(&mut self, source: &Path, module: Module, items: Vec<Item>) {
        for item in &items {
            let Item::Mod(inner) = item else { continue };
            if is_hidden(&inner.attrs) {
                continue;
            }
            let path: Module = module.iter().cloned().chain([inner.ident.to_string()]).collect();
            let file = source.join(path.join("/"));
            let below = match &inner.content {
                Some((_, items)) => items.clone(),
                None if file.with_extension("rs").exists() => items_of(&file.with_extension("rs")),
                None => items_of(&file.join("mod.rs")),
            };
            self.add(source, path, below);
        }
        self.modules.insert(module, items);
    }

    fn imports(&self, module: &Module) -> Vec<Import> {
        let mut found = Vec::new();
        for item in &self.modules[module] {
            if let Item::Use(import) = item {
                let is_public = is_public(&import.vis) && !is_hidden(&import.attrs);
                flatten(&import.tree, is_public, &mut Vec::new(), &mut found);
            }
        }
        found
    }

    /// The names that a module gives to users, and what they mean; other crates' things have no place.
    pub fn exports(&self, module: &Module) -> BTreeMap<String, Option<Place>> {
        let mut names = BTreeMap::new();
        for item in &self.modules[module] {
            if let Some((vis, name, attrs)) = named(item)
                && is_public(vis)
                && !is_hidden(attrs)
            {
                names.insert(name.clone(), Some((module.clone(), name)));
            }
        }
        for import in self.imports(module).into_iter().filter(|import| import.is_public) {
            if import.name == "*" {
                let target = self.module(module, &import.path).expect("a glob is of a module of ours");
                names.extend(self.exports(&target));
            } else {
                names.insert(import.name, self.place(module, &import.path));
            }
        }
        names
    }

    /// What a path means that is written in this module; `None` for what is not ours.
    pub fn place(&self, module: &Module, path: &[String]) -> Option<Place> {
        let (name, above) = path.split_last()?;
        let module = if above.is_empty() { module.clone() } else { self.module(module, above)? };
        let is_here = |item: &Item| named(item).is_some_and(|(_, here, _)| here == *name);
        if self.modules[&module].iter().any(is_here) {
            return Some((module, name.clone()));
        }
        let imports = self.imports(&module);
        if let Some(import) = imports.iter().find(|import| import.name == *name) {
            // `use super::name` may mean a module and something else; a path is never its own target.
            return if import.path == [name.clone()] { None } else { self.place(&module, &import.path) };
        }
        let globs = imports.iter().filter(|import| import.name == "*");
        globs.filter_map(|glob| self.module(&module, &glob.path)).filter(|other| *other != module).find_map(
            |other| {
                let is_there = |item: &Item| named(item).is_some_and(|(_, there, _)| there == *name);
                let is_defined = self.modules[&other].iter().any(is_there);
                let comes_there = self.imports(&other).iter().any(|import| import.name == *name);
                (is_defined || comes_there).then(|| self.place(&other, std::slice::from_ref(name)))?
            },
        )
    }

    fn module(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut at = from.clone();
        for (index, step) in path.iter().enumerate() {
            match step.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                name => {
                    let below: Module = at.iter().cloned().chain([name.to_owned()]).collect();
                    if self.modules.contains_key(&below) {
                        at = below;
                    } else {
                        let imports = self.imports(&at);
                        let import = imports.iter().find(|import| import.name == name && index == 0)?;
                        at = if import.path == [name.to_owned()] {
                            None
                        } else {
                            self.module(&at, &import.path)
                        }?;
                    }
                }
            }
        }
        Some(at)
    }
}

fn items_of(file: &Path) -> Vec<Item> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items
}

fn flatten(tree: &UseTree, is_public: bool, above: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut add = |last: Option<String>, name: String| {
        let mut path: Vec<_> = above.iter().cloned().chain(last).collect();
        // `use a::{self}` is `use a`.
        path.pop_if(|last| last == "self");
        let name = if name == "self" { path.last().cloned().unwrap_or(name) } else { name };
        found.push(Import { is_public, path, name });
    };
    match tree {
        UseTree::Name(name) => add(Some(name.ident.to_string()), name.ident.to_string()),
        UseTree::Rename(name) => add(Some(name.ident.to_string()), name.rename.to_string()),
        UseTree::Glob(_) => add(None, "*".to_owned()),
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            flatten(&path.tree, is_public, above, found);
            above.pop();
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, is_public, above, found));
        }
    }
}

/// The visibility, the name and the attributes of what has a name.
pub fn named(item: &Item) -> Option<(&Visibility, String, &[Attribute])> {
    Some(match item {
        Item::Const(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Enum(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Fn(item) => (&item.vis, item.sig.ident.to_string(), &item.attrs),
        Item::Mod(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Static(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Struct(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Trait(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Type(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        Item::Union(item) => (&item.vis, item.ident.to_string(), &item.attrs),
        _ => return None,
    })
}

pub fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

/// What only tests have, and what is for our own fuzz targets.
pub fn is_hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        let words = list.parse_args_with(Punctuated::<syn::Meta, Token![,]>::parse_terminated);
        let is = |word: &str| {
            words.as_ref().is_ok_and(|words| words.iter().any(|meta| meta.path().is_ident(word)))
        };
        (attribute.path().is_ident("cfg") && is("test")) || (attribute.path().is_ident("doc") && is("hidden"))
    })
}
