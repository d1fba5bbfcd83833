//! Damage to DER, one at a time: every element in every way, and the octets themselves.

/// An element with a tag of one octet.
#[derive(Clone)]
struct Node {
    tag: u8,
    content: Content,
    form: Form,
}

#[derive(Clone)]
enum Content {
    Octets(Vec<u8>),
    Nodes(Vec<Node>),
}

/// How the length is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Der,
    /// One octet more than is needed.
    Long,
    Indefinite,
    /// In two pieces under the constructed tag.
    Pieces,
    /// Off by this, with all else as it was.
    Off(i8),
}

/// What is done to one element.
const CHANGES: &[(&str, fn(&mut Vec<Node>, usize))] = &[
    ("dropped", |nodes, at| drop(nodes.remove(at))),
    ("doubled", |nodes, at| nodes.insert(at, nodes[at].clone())),
    ("swapped with the next", |nodes, at| {
        if at + 1 < nodes.len() {
            nodes.swap(at, at + 1);
        }
    }),
    ("of another tag", |nodes, at| nodes[at].tag ^= 0x01),
    ("of another type", |nodes, at| nodes[at].tag ^= 0x06),
    ("constructed or not", |nodes, at| nodes[at].tag ^= 0x20),
    ("of another class", |nodes, at| nodes[at].tag ^= 0x80),
    ("emptied", |nodes, at| nodes[at].content = Content::Octets(Vec::new())),
    ("with another first bit", |nodes, at| edit(&mut nodes[at], |octets| octets[0] ^= 0x80)),
    ("with another first octet", |nodes, at| edit(&mut nodes[at], |octets| octets[0] ^= 0x01)),
    ("with another last octet", |nodes, at| edit(&mut nodes[at], |octets| *octets.last_mut().expect("not empty") ^= 0x01)),
    ("with a zero before", |nodes, at| edit(&mut nodes[at], |octets| octets.insert(0, 0))),
    ("with a zero behind", |nodes, at| edit(&mut nodes[at], |octets| octets.push(0))),
    ("without its last octet", |nodes, at| edit(&mut nodes[at], |octets| octets.truncate(octets.len() - 1))),
    ("behind a NULL", |nodes, at| nodes.insert(at, Node { tag: 5, content: Content::Octets(Vec::new()), form: Form::Der })),
    ("in a SEQUENCE", |nodes, at| {
        let inner = nodes.remove(at);
        nodes.insert(at, Node { tag: 0x30, content: Content::Nodes(vec![inner]), form: Form::Der });
    }),
    ("with a long length", |nodes, at| nodes[at].form = Form::Long),
    ("of indefinite length", |nodes, at| {
        if nodes[at].tag & 0x20 != 0 {
            nodes[at].form = Form::Indefinite;
        }
    }),
    ("in pieces", |nodes, at| {
        if nodes[at].tag & 0x20 == 0 {
            nodes[at].form = Form::Pieces;
        }
    }),
    ("longer than it is", |nodes, at| nodes[at].form = Form::Off(1)),
    ("shorter than it is", |nodes, at| nodes[at].form = Form::Off(-1)),
];

/// Every damage to this DER that gives other bytes, with its name.
pub fn mutations(der: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    if let Some(nodes) = read(der) {
        for place in 0..count(&nodes) {
            for (name, change) in CHANGES {
                let mut changed = nodes.clone();
                let tag = apply(&mut changed, &mut { place }, change).expect("the place was counted");
                all.push((format!("element {place} (tag {tag:02x}) {name}"), write_all(&changed)));
            }
        }
    }
    // Two octets in three, for the time that the other third would take.
    for at in (0..der.len()).filter(|at| at % 3 != 2) {
        let mut changed = der.to_vec();
        changed[at] ^= 1 << (at * 5 % 8);
        all.push((format!("octet {at} with another bit"), changed));
    }
    all.push(("cut".into(), der[..der.len() - 1].to_vec()));
    all.push(("with an octet behind".into(), [der, &[0]].concat()));
    all.retain(|(_, changed)| changed != der);
    all
}

fn edit(node: &mut Node, change: impl FnOnce(&mut Vec<u8>)) {
    if let Content::Octets(octets) = &mut node.content
        && !octets.is_empty()
    {
        change(octets);
    }
}

/// The elements that fill these octets; those in an OCTET STRING too, where it holds nothing else.
fn read(mut der: &[u8]) -> Option<Vec<Node>> {
    let whole = der;
    let mut nodes = Vec::new();
    while let [tag, first, rest @ ..] = der {
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x83 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
                (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (octets, rest) = rest.split_at_checked(length)?;
        let inner = if tag & 0x20 != 0 || *tag == 4 { read(octets).filter(|inner| !inner.is_empty()) } else { None };
        let content = inner.map_or_else(|| Content::Octets(octets.to_vec()), Content::Nodes);
        nodes.push(Node { tag: *tag, content, form: Form::Der });
        der = rest;
    }
    (der.is_empty() && write_all(&nodes) == whole).then_some(nodes)
}

fn count(nodes: &[Node]) -> usize {
    let inner = |node: &Node| match &node.content {
        Content::Nodes(inner) => count(inner),
        Content::Octets(_) => 0,
    };
    nodes.iter().map(|node| 1 + inner(node)).sum()
}

/// Changes the element with this number, in the order of the message, and gives its tag.
fn apply(nodes: &mut Vec<Node>, place: &mut usize, change: &fn(&mut Vec<Node>, usize)) -> Option<u8> {
    for at in 0..nodes.len() {
        if *place == 0 {
            let tag = nodes[at].tag;
            change(nodes, at);
            return Some(tag);
        }
        *place -= 1;
        if let Content::Nodes(inner) = &mut nodes[at].content
            && let Some(tag) = apply(inner, place, change)
        {
            return Some(tag);
        }
    }
    None
}

fn write_all(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    nodes.iter().for_each(|node| write(node, &mut out));
    out
}

fn write(node: &Node, out: &mut Vec<u8>) {
    let mut content = match &node.content {
        Content::Octets(octets) => octets.clone(),
        Content::Nodes(inner) => write_all(inner),
    };
    let mut tag = node.tag;
    if node.form == Form::Pieces {
        // Each piece has the type of the whole, or is an OCTET STRING where the tag is an implicit one.
        let piece = if tag < 0x20 { tag } else { 4 };
        let (first, second) = content.split_at(content.len() / 2);
        content = [first, second].iter().flat_map(|part| [&[piece], &length(part.len())[..], part].concat()).collect();
        tag |= 0x20;
    }
    out.push(tag);
    match node.form {
        Form::Der | Form::Pieces => out.extend(length(content.len())),
        Form::Long => {
            let octets = content.len().to_be_bytes();
            let from = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
            let from = if content.len() < 0x80 { from } else { from - 1 };
            out.push(0x80 | (octets.len() - from) as u8);
            out.extend(&octets[from..]);
        }
        Form::Indefinite => {
            out.push(0x80);
            content.extend([0, 0]);
        }
        Form::Off(by) => out.extend(length(content.len().saturating_add_signed(by.into()))),
    }
    out.extend(content);
}

fn length(length: usize) -> Vec<u8> {
    let octets = length.to_be_bytes();
    let significant = &octets[octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len())..];
    match significant {
        [] => vec![0],
        [short @ 0..=0x7f] => vec![*short],
        long => [&[0x80 | long.len() as u8], long].concat(),
    }
}
