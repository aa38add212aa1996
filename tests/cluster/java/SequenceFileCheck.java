import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.BytesWritable;
import org.apache.hadoop.io.DataOutputBuffer;
import org.apache.hadoop.io.IntWritable;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.NullWritable;
import org.apache.hadoop.io.SequenceFile;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.io.Writable;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.mapred.FileSplit;
import org.apache.hadoop.mapred.SequenceFileRecordReader;
import org.apache.hadoop.util.ReflectionUtils;

/**
 * Writes and reads SequenceFiles by Hadoop's own classes, as a list of orders on stdin says.
 *
 * <p>Each order is a line of tab-separated fields:
 *
 * <pre>
 * write PATH KEYCLASS VALUECLASS COMPRESSION CODEC SIZES  -> "written PATH END,END,..." (writer.getLength() after each)
 * read PATH SPLITBYTES,...   -> "header PATH KEYCLASS VALUECLASS COMPRESSION CODEC METADATA", and
 *                               "split PATH SPLITBYTES START COUNT MD5" for every split
 * </pre>
 *
 * Record i of a written file has the key writable(i, 17) and the value writable(i, SIZES[i]); MD5 is
 * that of the serialised keys and values.
 */
public final class SequenceFileCheck {
  private static final Configuration CONF = new Configuration();

  public static void main(String[] args) throws Exception {
    try (BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, "UTF-8"))) {
      for (String line = orders.readLine(); line != null; line = orders.readLine()) {
        String[] order = line.split("\t");
        if (order[0].equals("write")) {
          write(order);
        } else {
          read(new Path("file://" + order[1]), order[2].split(","));
        }
      }
    }
  }

  private static void write(String[] order) throws Exception {
    Class<?> keyClass = Class.forName("org.apache.hadoop.io." + order[2]);
    Class<?> valueClass = Class.forName("org.apache.hadoop.io." + order[3]);
    Class<?> codec = Class.forName("org.apache.hadoop.io.compress." + order[5]);
    SequenceFile.Metadata metadata = new SequenceFile.Metadata();
    metadata.set(new Text("caf\u00e9"), new Text("\ud83d\ude00"));
    metadata.set(new Text("a"), new Text(""));
    StringBuilder ends = new StringBuilder();
    String[] sizes = order[6].split(",");
    try (SequenceFile.Writer writer =
        SequenceFile.createWriter(
            CONF,
            SequenceFile.Writer.file(new Path("file://" + order[1])),
            SequenceFile.Writer.keyClass(keyClass),
            SequenceFile.Writer.valueClass(valueClass),
            SequenceFile.Writer.metadata(metadata),
            SequenceFile.Writer.compression(
                SequenceFile.CompressionType.valueOf(order[4]),
                (CompressionCodec) ReflectionUtils.newInstance(codec, CONF)))) {
      for (int i = 0; i < sizes.length; i++) {
        writer.append(
            writable(order[2], i, 17), writable(order[3], i, Integer.parseInt(sizes[i])));
        ends.append(i == 0 ? "" : ",").append(writer.getLength());
      }
    }
    System.out.println("written\t" + order[1] + "\t" + ends);
  }

  /** Bytes, which do not compress, are the MD5 digests of "i:0", "i:16", "i:32" and so on. */
  private static Writable writable(String kind, int i, int size) throws Exception {
    switch (kind) {
      case "NullWritable":
        return NullWritable.get();
      case "IntWritable":
        return new IntWritable(i * 1000003 * (i % 2 == 0 ? 1 : -1));
      case "LongWritable":
        return new LongWritable(i * 1000000000039L * (i % 2 == 0 ? 1 : -1));
      case "Text":
        StringBuilder text = new StringBuilder();
        for (int j = 0; j < size; j++) {
          text.appendCodePoint("ab\u00e9".charAt((31 * i + j) % 3));
        }
        return new Text(text.append(i % 5 == 0 ? "\ud83d\ude00" : "").toString());
      default:
        byte[] bytes = new byte[size];
        for (int j = 0; j < size; j += 16) {
          byte[] digest = MessageDigest.getInstance("MD5").digest((i + ":" + j).getBytes("UTF-8"));
          System.arraycopy(digest, 0, bytes, j, Math.min(16, size - j));
        }
        return new BytesWritable(bytes);
    }
  }

  private static void read(Path path, String[] splitSizes) throws Exception {
    try (SequenceFile.Reader reader = new SequenceFile.Reader(CONF, SequenceFile.Reader.file(path))) {
      TreeMap<String, String> metadata = new TreeMap<>();
      for (Map.Entry<Text, Text> pair : reader.getMetadata().getMetadata().entrySet()) {
        metadata.put(pair.getKey().toString(), pair.getValue().toString());
      }
      CompressionCodec codec = reader.getCompressionCodec();
      print(
          "header", path.toUri().getPath(), reader.getKeyClass().getSimpleName(),
          reader.getValueClass().getSimpleName(), reader.getCompressionType(),
          codec == null ? "-" : codec.getClass().getSimpleName(), metadata);
    }
    long length = path.getFileSystem(CONF).getFileStatus(path).getLen();
    for (String splitSize : splitSizes) {
      long size = Long.parseLong(splitSize);
      for (long start = 0; start < length; start += size) {
        readSplit(path, size, start, Math.min(size, length - start));
      }
    }
  }

  private static void readSplit(Path path, long size, long start, long length) throws Exception {
    SequenceFileRecordReader<Writable, Writable> reader =
        new SequenceFileRecordReader<>(CONF, new FileSplit(path, start, length, new String[0]));
    MessageDigest md5 = MessageDigest.getInstance("MD5");
    DataOutputBuffer buffer = new DataOutputBuffer();
    Writable key = reader.createKey();
    Writable value = reader.createValue();
    int count = 0;
    while (reader.next(key, value)) {
      buffer.reset();
      key.write(buffer);
      value.write(buffer);
      md5.update(buffer.getData(), 0, buffer.getLength());
      count++;
    }
    reader.close();
    String hex = String.format("%032x", new BigInteger(1, md5.digest()));
    print("split", path.toUri().getPath(), size, start, count, hex);
  }

  private static void print(Object... fields) throws Exception {
    StringBuilder line = new StringBuilder();
    for (Object field : fields) {
      line.append(line.length() == 0 ? "" : "\t").append(field);
    }
    System.out.write((line + "\n").getBytes("UTF-8"));
    System.out.flush();
  }
}
