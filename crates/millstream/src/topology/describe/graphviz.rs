use std::fmt::{self, Write};

use super::picture::{EdgeForm, Form, Picture, Shape};
use crate::topology::Topology;

impl Topology {
    /// The topology in the DOT language of [Graphviz](https://graphviz.org): a cluster for each sub-topology, its stores
    /// with their changelogs, and the topics between them, repartition topics dashed. The same topology gives the same text.
    pub fn to_graphviz(&self) -> String {
        let mut out = String::new();
        // A String takes all that is written.
        let _ = write(&mut out, self);
        out
    }
}

fn write(out: &mut String, topology: &Topology) -> fmt::Result {
    let picture = Picture::new(topology);
    writeln!(out, "digraph {{\n  label=\"topology {}\" labelloc=t", escaped(&topology.application_id))?;
    for (number, shapes) in picture.sub_topologies.iter().enumerate() {
        writeln!(out, "  subgraph cluster_{number} {{\n    label=\"sub-topology {number}\"")?;
        for shape in shapes {
            writeln!(out, "    {}", drawn(shape))?;
        }
        writeln!(out, "  }}")?;
    }
    for topic in &picture.topics {
        writeln!(out, "  {}", drawn(topic))?;
    }
    for edge in &picture.edges {
        let form = match edge.form {
            EdgeForm::Records => "",
            EdgeForm::Store => " [style=dotted dir=none]",
        };
        writeln!(out, "  {} -> {}{form}", edge.from, edge.to)?;
    }
    writeln!(out, "}}")
}

fn drawn(shape: &Shape<'_>) -> String {
    let lines: Vec<String> = shape.lines.iter().map(|line| escaped(line)).collect();
    let form = match shape.form {
        Form::Node => "shape=box",
        Form::Store => "shape=cylinder",
        Form::Topic => "shape=oval",
        Form::Repartition => "shape=oval style=dashed",
    };
    format!("{} [label=\"{}\" {form}]", shape.id, lines.join("\\n"))
}

/// Graphviz takes `\` in a label for an escape (`\N` is the node's id), and `&` for an entity's begin.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            _ if c.is_control() => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_means_something_to_graphviz_is_escaped() {
        assert_eq!(escaped("app-by_day.v1 <é>"), "app-by_day.v1 <é>");
        assert_eq!(escaped(r#"a"b"#), r#"a\"b"#);
        assert_eq!(escaped("\\N\\ &lt;\n"), r"\\N\\ &amp;lt; ");
    }
}
