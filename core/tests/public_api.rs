//! What users of the crate can name, in `abi/public-api.txt`: so that a change of it is seen, and meant. `UPDATE=1` rewrites.
//!
//! It is read off the sources, as a compiler's list needs a nightly one. So it has what is written there: not the traits that a
//! type has by itself (`Send`), nor what a macro of ours makes, of which the call is listed. Every feature is on, without
//! what is for our own fuzz targets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, Type, Visibility};

#[path = "public_api/tree.rs"]
mod tree;

use tree::{Module, Place, Tree, is_hidden, is_public, named};

/// What is exported: under which names, and what it is.
struct Surface<'a> {
    tree: &'a Tree,
    /// By where it is defined.
    names: BTreeMap<Place, BTreeSet<String>>,
    /// What is other crates'.
    foreign: BTreeSet<String>,
}

impl<'a> Surface<'a> {
    fn of(tree: &'a Tree) -> Self {
        let mut surface = Self { tree, names: BTreeMap::new(), foreign: BTreeSet::new() };
        surface.visit(&Vec::new(), "rollcore");
        surface
    }

    fn visit(&mut self, module: &Module, path: &str) {
        for (name, place) in self.tree.exports(module) {
            let full = format!("{path}::{name}");
            let Some(place) = place else {
                self.foreign.insert(full);
                continue;
            };
            let below: Module = place.0.iter().cloned().chain([place.1.clone()]).collect();
            if self.tree.modules.contains_key(&below) {
                self.visit(&below, &full);
            }
            self.names.entry(place).or_default().insert(full);
        }
    }

    fn item(&self, (module, name): &Place) -> &Item {
        let is_it = |item: &&Item| named(item).is_some_and(|(_, here, _)| here == *name);
        self.tree.modules[module].iter().find(is_it).expect("a place has an item")
    }

    /// The exported type that this stands for, in a module.
    fn exported(&self, module: &Module, of: &Type) -> Option<Place> {
        let Type::Path(path) = of else { return None };
        self.place(module, &path.path).filter(|place| self.names.contains_key(place))
    }

    fn place(&self, module: &Module, path: &syn::Path) -> Option<Place> {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.tree.place(module, &segments)
    }

    /// Whether users can see this impl of a trait: of their traits, or of one of ours that they have.
    fn has_trait(&self, module: &Module, path: &syn::Path) -> bool {
        self.place(module, path).is_none_or(|place| self.names.contains_key(&place))
    }

    /// What is written about each exported type elsewhere.
    fn impls(&self) -> BTreeMap<Place, BTreeSet<String>> {
        let mut found: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
        for (module, items) in &self.tree.modules {
            for item in items {
                if let Item::Impl(item) = item
                    && !is_hidden(&item.attrs)
                    && item.trait_.as_ref().is_none_or(|(_, path, _)| self.has_trait(module, path))
                    && let Some(place) = self.exported(module, &item.self_ty)
                {
                    found.entry(place).or_default().extend(impl_lines(item));
                }
            }
        }
        found
    }

    /// The macros of ours that are called with nothing but names, and with which.
    fn macros(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let calls = self.tree.modules.values().flatten().filter_map(|item| match item {
            Item::Macro(call) if call.ident.is_none() => Some(&call.mac),
            _ => None,
        });
        for call in calls {
            // Doc comments are tokens, too: `#` and something in brackets.
            let tokens = call.tokens.clone().into_iter().map(|token| token.to_string());
            let words: Vec<_> =
                tokens.filter(|token| token != "#" && token != "," && !token.starts_with('[')).collect();
            if words.iter().all(|word| syn::parse_str::<syn::Ident>(word).is_ok()) {
                let name = call.path.segments.last().expect("a path is not empty").ident.to_string();
                found.entry(name).or_default().extend(words);
            }
        }
        found
    }

    fn text(&self) -> String {
        let (impls, macros) = (self.impls(), self.macros());
        let mut parts: BTreeMap<String, String> = BTreeMap::new();
        let by_macro = |name: &str| -> String {
            let of_it = macros.iter().filter(|(_, names)| names.contains(name));
            of_it.map(|(call, _)| format!("    by {call}!\n")).collect()
        };
        for (place, names) in &self.names {
            let mut part = outside(self.item(place));
            for line in impls.get(place).into_iter().flatten() {
                part.push_str(&format!("    {line}\n"));
            }
            part.push_str(&by_macro(&place.1));
            parts.insert(names.iter().cloned().collect::<Vec<_>>().join(", "), part);
        }
        for name in &self.foreign {
            let by = by_macro(name.rsplit("::").next().expect("there is one"));
            parts.insert(name.clone(), if by.is_empty() { "of another crate\n".to_owned() } else { by });
        }
        // Whoever changes what they make changes the API.
        for item in self.tree.modules.values().flatten() {
            if let Item::Macro(made) = item
                && let Some(name) = made.ident.as_ref().map(ToString::to_string)
                && macros.contains_key(&name)
            {
                parts.insert(format!("{name}!"), format!("{}\n", joined(&made.mac.tokens.to_string())));
            }
        }
        parts.iter().map(|(names, part)| format!("## {names}\n{part}\n")).collect()
    }
}

/// An item without what is inside of it.
fn outside(item: &Item) -> String {
    let mut item = item.clone();
    match &mut item {
        Item::Mod(_) => return "a module\n".to_owned(),
        Item::Const(item) => keep_telling(&mut item.attrs),
        Item::Static(item) => keep_telling(&mut item.attrs),
        Item::Type(item) => keep_telling(&mut item.attrs),
        Item::Fn(item) => {
            keep_telling(&mut item.attrs);
            item.block.stmts.clear();
        }
        Item::Struct(item) => {
            keep_telling(&mut item.attrs);
            hide_private(&mut item.fields);
        }
        Item::Enum(item) => {
            keep_telling(&mut item.attrs);
            for variant in &mut item.variants {
                keep_telling(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| keep_telling(&mut field.attrs));
            }
        }
        Item::Trait(item) => {
            keep_telling(&mut item.attrs);
            for inner in &mut item.items {
                if let syn::TraitItem::Fn(method) = inner {
                    keep_telling(&mut method.attrs);
                    method.default.iter_mut().for_each(|block| block.stmts.clear());
                }
            }
        }
        _ => {}
    }
    printed(item)
}

/// A type with a field that nobody sees cannot be written down by users, whatever the field is.
fn hide_private(fields: &mut Fields) {
    let before = fields.len();
    match fields {
        Fields::Named(named) => {
            named.named = named.named.iter().filter(|field| is_public(&field.vis)).cloned().collect();
            if named.named.len() < before {
                let private: syn::FieldsNamed = syn::parse_quote!({ _private: () });
                named.named.extend(private.named);
            }
        }
        Fields::Unnamed(fields) => {
            for field in fields.unnamed.iter_mut().filter(|field| !is_public(&field.vis)) {
                field.ty = syn::parse_quote!(());
            }
        }
        Fields::Unit => {}
    }
    fields.iter_mut().for_each(|field| keep_telling(&mut field.attrs));
}

fn impl_lines(item: &ItemImpl) -> Vec<String> {
    let mut head = item.clone();
    head.items.clear();
    keep_telling(&mut head.attrs);
    let head = printed(Item::Impl(head)).replace(" {}", "");
    if item.trait_.is_some() {
        return vec![joined(&head)];
    }
    let inner = item.items.iter().filter_map(|inner| match inner {
        ImplItem::Fn(method) if is_seen(&method.vis, &method.attrs) => {
            let mut method = method.clone();
            keep_telling(&mut method.attrs);
            method.block.stmts.clear();
            Some(ImplItem::Fn(method))
        }
        ImplItem::Const(constant) if is_seen(&constant.vis, &constant.attrs) => {
            let mut constant = constant.clone();
            keep_telling(&mut constant.attrs);
            Some(ImplItem::Const(constant))
        }
        _ => None,
    });
    inner
        .map(|inner| {
            let mut alone = item.clone();
            alone.attrs.clear();
            alone.items = vec![inner];
            let text = joined(&printed(Item::Impl(alone)));
            let from = text.find('{').expect("an impl has braces");
            text[from + 1..text.len() - 1].trim().replace(" {}", "")
        })
        .collect()
}

fn is_seen(vis: &Visibility, attrs: &[Attribute]) -> bool {
    is_public(vis) && !is_hidden(attrs)
}

/// What users have to know of, of all that is written above an item.
fn keep_telling(attrs: &mut Vec<Attribute>) {
    attrs.retain(|attribute| {
        ["cfg", "derive", "non_exhaustive", "must_use", "repr"]
            .iter()
            .any(|name| attribute.path().is_ident(name))
    });
    for attribute in attrs {
        // Why is said in words that may change.
        if attribute.path().is_ident("must_use") {
            *attribute = syn::parse_quote!(#[must_use]);
        }
    }
}

fn printed(item: Item) -> String {
    prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: vec![item] })
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_public_api_is_the_listed_one() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = Tree::read(&here.join("src"));
    let text = Surface::of(&tree).text();
    let file = here.join("abi/public-api.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(here.join("abi")).expect("a folder");
        std::fs::write(&file, &text).expect("the list can be written");
    }
    let listed = std::fs::read_to_string(&file).expect("abi/public-api.txt is there");
    let changed = |from: &str, to: &str| -> Vec<String> {
        let there: BTreeSet<_> = to.split("\n\n").collect();
        from.split("\n\n").filter(|part| !there.contains(part)).map(str::to_owned).collect()
    };
    assert!(
        listed == text,
        "the public API has changed; if that is meant, run with UPDATE=1.\n\nlisted:\n{}\n\nis:\n{}",
        changed(&listed, &text).join("\n\n"),
        changed(&text, &listed).join("\n\n"),
    );
}
