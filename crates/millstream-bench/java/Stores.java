package millstream;

/** Where state lies, and how many bytes of changes are held back until a commit (0: each change is an output). */
record Stores(boolean inMemory, long cacheBytes) {
    static Stores parse(String store, long cacheBytes) {
        return switch (store) {
            case "memory" -> new Stores(true, cacheBytes);
            case "rocksdb" -> new Stores(false, cacheBytes);
            default -> throw new IllegalArgumentException("the store is " + store + "; expected memory or rocksdb");
        };
    }
}
