import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.IntWritable;
import org.apache.hadoop.io.SequenceFile;
import org.apache.mahout.math.DenseVector;
import org.apache.mahout.math.NamedVector;
import org.apache.mahout.math.RandomAccessSparseVector;
import org.apache.mahout.math.SequentialAccessSparseVector;
import org.apache.mahout.math.Vector;
import org.apache.mahout.math.VectorWritable;

/**
 * Reads a SequenceFile of numbered vectors by Mahout's own classes, and writes each of its vectors in
 * every form that Mahout has: dense, sparse by steps, sparse by indices, named; as doubles and floats.
 *
 * <p>Arguments: the file to read and the file to write. Record r of the first becomes the records
 * 8 r to 8 r + 7 of the second.
 */
public final class VectorCheck {
  public static void main(String[] args) throws Exception {
    Configuration conf = new Configuration(false);
    IntWritable number = new IntWritable();
    VectorWritable read = new VectorWritable();
    try (SequenceFile.Reader in =
            new SequenceFile.Reader(conf, SequenceFile.Reader.file(new Path("file://" + args[0])));
        SequenceFile.Writer out =
            SequenceFile.createWriter(
                conf,
                SequenceFile.Writer.file(new Path("file://" + args[1])),
                SequenceFile.Writer.keyClass(IntWritable.class),
                SequenceFile.Writer.valueClass(VectorWritable.class))) {
      while (in.next(number, read)) {
        Vector vector = read.get();
        Vector[] forms = {
          new DenseVector(vector),
          new SequentialAccessSparseVector(vector),
          new RandomAccessSparseVector(vector),
          new NamedVector(new DenseVector(vector), "café " + number.get()),
        };
        for (int form = 0; form < 8; form++) {
          out.append(
              new IntWritable(8 * number.get() + form),
              new VectorWritable(forms[form % 4], form >= 4));
        }
      }
    }
  }
}
