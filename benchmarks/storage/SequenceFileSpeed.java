import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.BytesWritable;
import org.apache.hadoop.io.SequenceFile;

/**
 * Reads and writes a SequenceFile by Hadoop's own classes, as often as standard input says.
 *
 * <p>Arguments: a SequenceFile to read, and the path of the one to write. For each line `read` or
 * `write` it prints wall seconds, CPU seconds of the process, records and bytes of values. Local
 * files are taken without Hadoop's checksums, which ours do not have either.
 */
public final class SequenceFileSpeed {
  private static final int READ_BUFFER_BYTES = 1 << 17;
  private static final int WRITE_BUFFER_BYTES = 1 << 20; // as ours
  private static final Configuration CONF = new Configuration(false);

  public static void main(String[] args) throws Exception {
    CONF.set("fs.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem");
    List<BytesWritable[]> records = new ArrayList<>();
    Path input = new Path("file://" + args[0]);
    try (SequenceFile.Reader reader = open(input)) {
      BytesWritable[] record = {new BytesWritable(), new BytesWritable()};
      while (reader.next(record[0], record[1])) {
        records.add(record);
        record = new BytesWritable[] {new BytesWritable(), new BytesWritable()};
      }
    }
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    var orders = new BufferedReader(new InputStreamReader(System.in));
    for (String order = orders.readLine(); order != null; order = orders.readLine()) {
      new File(order.equals("write") ? args[1] : "").delete();
      long wall = System.nanoTime();
      long cpu = system.getProcessCpuTime();
      long[] done = order.equals("write") ? write(args[1], records) : read(input);
      System.out.printf(
          "%.9f %.9f %d %d%n",
          (System.nanoTime() - wall) / 1e9, (system.getProcessCpuTime() - cpu) / 1e9,
          done[0], done[1]);
      System.out.flush();
    }
  }

  private static SequenceFile.Reader open(Path path) throws Exception {
    return new SequenceFile.Reader(
        CONF, SequenceFile.Reader.file(path), SequenceFile.Reader.bufferSize(READ_BUFFER_BYTES));
  }

  private static long[] read(Path path) throws Exception {
    long[] done = new long[2];
    BytesWritable key = new BytesWritable();
    BytesWritable value = new BytesWritable();
    try (SequenceFile.Reader reader = open(path)) {
      while (reader.next(key, value)) {
        done[0]++;
        done[1] += value.getLength();
      }
    }
    return done;
  }

  private static long[] write(String path, List<BytesWritable[]> records) throws Exception {
    long[] done = new long[2];
    try (SequenceFile.Writer writer =
        SequenceFile.createWriter(
            CONF,
            SequenceFile.Writer.file(new Path("file://" + path)),
            SequenceFile.Writer.keyClass(BytesWritable.class),
            SequenceFile.Writer.valueClass(BytesWritable.class),
            SequenceFile.Writer.bufferSize(WRITE_BUFFER_BYTES),
            SequenceFile.Writer.compression(SequenceFile.CompressionType.NONE))) {
      for (BytesWritable[] record : records) {
        writer.append(record[0], record[1]);
        done[0]++;
        done[1] += record[1].getLength();
      }
    }
    return done;
  }
}
