//! YAML as a graph: an alias is an edge to the node that its anchor names, also from inside that node.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

/// Index of a node in its [`Document`].
pub type Id = usize;

#[derive(Debug)]
pub enum Node {
    /// Text, and whether it was written without quotes.
    Scalar(String, bool),
    Sequence(Vec<Id>),
    Mapping(Vec<(String, Id)>),
}

#[derive(Debug, Default)]
pub struct Document {
    nodes: Vec<Node>,
    root: Id,
}

impl Document {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut document = Document::default();
        let mut anchors: HashMap<usize, Id> = HashMap::new();
        // Open containers; a mapping waits with the key whose value comes next.
        let mut open: Vec<(Id, Option<String>)> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, _) = event.map_err(|error| error.to_string())?;
            let (id, anchor, opens) = match event {
                Event::Scalar(text, style, anchor, _) => {
                    let plain = style == saphyr_parser::ScalarStyle::Plain;
                    let awaits_key =
                        open.last().is_some_and(|(id, key)| key.is_none() && matches!(document.nodes[*id], Node::Mapping(_)));
                    if awaits_key {
                        open.last_mut().unwrap().1 = Some(text.into_owned());
                        continue;
                    }
                    (document.add(Node::Scalar(text.into_owned(), plain)), anchor, false)
                }
                Event::SequenceStart(anchor, _) => (document.add(Node::Sequence(Vec::new())), anchor, true),
                Event::MappingStart(anchor, _) => (document.add(Node::Mapping(Vec::new())), anchor, true),
                Event::Alias(anchor) => (*anchors.get(&anchor).ok_or("an alias without anchor")?, 0, false),
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                _ => continue,
            };
            if anchor != 0 {
                anchors.insert(anchor, id);
            }
            match open.last_mut() {
                None => document.root = id,
                Some((parent, key)) => match &mut document.nodes[*parent] {
                    Node::Sequence(items) => items.push(id),
                    Node::Mapping(entries) => entries.push((key.take().ok_or("a value without key")?, id)),
                    Node::Scalar(..) => unreachable!("a scalar is never open"),
                },
            }
            if opens {
                open.push((id, None));
            }
        }
        Ok(document)
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub fn root(&self) -> View<'_> {
        View { document: self, id: self.root }
    }
}

/// A node in its document.
#[derive(Clone, Copy)]
pub struct View<'a> {
    document: &'a Document,
    pub id: Id,
}

impl<'a> View<'a> {
    fn node(self) -> &'a Node {
        &self.document.nodes[self.id]
    }

    pub fn get(self, key: &str) -> Option<View<'a>> {
        self.entries().find(|(name, _)| *name == key).map(|(_, view)| view)
    }

    pub fn entries(self) -> impl Iterator<Item = (&'a str, View<'a>)> {
        let entries: &[(String, Id)] = if let Node::Mapping(entries) = self.node() { entries } else { &[] };
        entries.iter().map(move |(name, id)| (name.as_str(), View { document: self.document, id: *id }))
    }

    pub fn items(self) -> impl Iterator<Item = View<'a>> {
        let items: &[Id] = if let Node::Sequence(items) = self.node() { items } else { &[] };
        items.iter().map(move |id| View { document: self.document, id: *id })
    }

    pub fn text(self) -> Option<&'a str> {
        if let Node::Scalar(text, _) = self.node() { Some(text) } else { None }
    }

    /// The text, and whether it stands without quotes.
    pub fn scalar(self) -> Option<(&'a str, bool)> {
        if let Node::Scalar(text, plain) = self.node() { Some((text, *plain)) } else { None }
    }

    pub fn text_of(self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(View::text)
    }

    pub fn texts_of(self, key: &str) -> Vec<&'a str> {
        self.get(key).map(|list| list.items().filter_map(View::text).collect()).unwrap_or_default()
    }
}
