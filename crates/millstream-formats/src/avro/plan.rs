use std::sync::Arc;

/// A node's place in a plan.
pub(super) type NodeId = usize;

/// How bytes of a writer's schema become bytes of a reader's.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Whether the bytes stay what they are.
    pub(super) is_identity: bool,
}

/// What is done with the bytes of one value. All but the last two kinds read what they are named after.
#[derive(Debug)]
pub(super) enum Node {
    /// Nothing is read.
    Null,
    Boolean,
    Int,
    /// Also an int that is read as a long: both are written alike.
    Long,
    Float,
    Double,
    IntToFloat,
    IntToDouble,
    LongToFloat,
    LongToDouble,
    FloatToDouble,
    /// A length and so many bytes: bytes or string, whichever is read as which.
    Bytes,
    Fixed(usize),
    /// For each symbol of the writer the reader's.
    Enum(Vec<Result<u32, String>>),
    Array(NodeId),
    Map(NodeId),
    Record(RecordPlan),
    /// A branch's number, and then the branch.
    Union(Vec<NodeId>),
    /// The reader has a union: this branch of it.
    IntoUnion(u32, NodeId),
    /// What the writer has here cannot be read as what the reader has.
    Fails(String),
}

#[derive(Debug)]
pub(super) enum RecordPlan {
    /// The reader's fields come in the writer's order.
    InOrder(Vec<Step>),
    /// They do not.
    Shuffled {
        /// What is done with the writer's fields, in their order.
        steps: Vec<Step>,
        /// Where the reader's fields come from, in their order.
        fields: Vec<Source>,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The writer's next field is kept.
    Read(NodeId),
    /// The writer's next field is left out.
    Skip(NodeId),
    /// The reader's field has this instead.
    Default(Arc<[u8]>),
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    /// That step.
    Step(usize),
    Default(Arc<[u8]>),
}
