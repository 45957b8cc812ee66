use rdkafka::TopicPartitionList;

/// The texts that are stored with the offsets of `list`, in its order. rust-rdkafka's own accessor panics on one that is
/// not UTF-8, and other programs may have stored such.
pub(crate) fn metadata_texts(list: &TopicPartitionList) -> Vec<String> {
    let native = list.ptr();
    (0..list.count())
        .map(|index| {
            // SAFETY: `list` owns `native` and its `cnt` elements, nobody changes them while it is borrowed, and
            // `index` is below `cnt`; `metadata` is null or points to `metadata_size` bytes owned by the element.
            unsafe {
                let element = &*(*native).elems.add(index);
                if element.metadata.is_null() {
                    return String::new();
                }
                let bytes = std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
                String::from_utf8_lossy(bytes).into_owned()
            }
        })
        .collect()
}
