//! A topology for people: as text, and as a picture in two languages.

mod graphviz;
mod mermaid;
mod picture;
mod text;
