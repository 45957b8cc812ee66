use std::fmt::{self, Write};

use super::picture::{EdgeForm, Form, Picture, Shape};
use crate::topology::Topology;

impl Topology {
    /// The topology as a [Mermaid](https://mermaid.js.org) flowchart: a subgraph for each sub-topology, its stores with
    /// their changelogs, and the topics between them, repartition topics dashed. The same topology gives the same text.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::new();
        // A String takes all that is written.
        let _ = write(&mut out, self);
        out
    }
}

fn write(out: &mut String, topology: &Topology) -> fmt::Result {
    let picture = Picture::new(topology);
    writeln!(out, "---\ntitle: \"topology {}\"\n---\nflowchart TB", escaped_title(&topology.application_id))?;
    for (number, shapes) in picture.sub_topologies.iter().enumerate() {
        writeln!(out, "  subgraph sub{number}[\"sub-topology {number}\"]")?;
        for shape in shapes {
            writeln!(out, "    {}", drawn(shape))?;
        }
        writeln!(out, "  end")?;
    }
    for topic in &picture.topics {
        writeln!(out, "  {}", drawn(topic))?;
    }
    for edge in &picture.edges {
        let arrow = match edge.form {
            EdgeForm::Records => "-->",
            EdgeForm::Store => "-.-",
        };
        writeln!(out, "  {} {arrow} {}", edge.from, edge.to)?;
    }
    writeln!(out, "  classDef repartition stroke-dasharray: 4 3")
}

fn drawn(shape: &Shape<'_>) -> String {
    let lines: Vec<String> = shape.lines.iter().map(|line| escaped(line)).collect();
    let (id, label) = (shape.id, lines.join("<br>"));
    match shape.form {
        Form::Node => format!("{id}[\"{label}\"]"),
        Form::Store => format!("{id}[(\"{label}\")]"),
        Form::Topic => format!("{id}([\"{label}\"])"),
        Form::Repartition => format!("{id}([\"{label}\"]):::repartition"),
    }
}

/// Mermaid takes labels for HTML with entities of its own (`#34;`), and some versions take them for Markdown: all that could
/// mean something is written as an entity.
fn escaped(text: &str) -> String {
    replaced(text, |c| match c {
        // `\n` would be a new line even then; the space of no width keeps them apart.
        '\\' => "#92;#8203;".to_owned(),
        _ => format!("#{};", u32::from(c)),
    })
}

/// The title is plain text, but in YAML.
fn escaped_title(text: &str) -> String {
    replaced(text, |c| format!("\\U{:08x}", u32::from(c)))
}

fn replaced(text: &str, special: impl Fn(char) -> String) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            _ if c.is_alphanumeric() || " -._/,()".contains(c) => out.push(c),
            _ if c.is_control() => out.push(' '),
            _ => out.push_str(&special(c)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, escaped_title};

    #[test]
    fn what_means_something_to_mermaid_is_an_entity() {
        assert_eq!(escaped("app-by_day.v1 (é)"), "app-by_day.v1 (é)");
        assert_eq!(escaped(r#"a"b"#), "a#34;b");
        assert_eq!(escaped("#35; <br> &amp;"), "#35;35#59; #60;br#62; #38;amp#59;");
        assert_eq!(escaped_title(r#"a "b""#), r"a \U00000022b\U00000022");
        assert_eq!(escaped("`*x*` \\n\n[y]"), "#96;#42;x#42;#96; #92;#8203;n #91;y#93;");
    }
}
