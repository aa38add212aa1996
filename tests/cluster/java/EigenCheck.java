import java.util.Random;
import org.apache.mahout.math.DenseMatrix;
import org.apache.mahout.math.Matrix;
import org.apache.mahout.math.Vector;
import org.apache.mahout.math.solver.EigenDecomposition;

/**
 * Asks Mahout for the eigenvalues of random covariances, and of the same matrices with the numbers on
 * one side of the diagonal one rounding larger.
 *
 * <p>Prints, for each size of a matrix: the size, how many were tried, for how many the eigenvalues
 * differ by more than a millionth of the largest, and how many do when Mahout is told that the matrix
 * is symmetric.
 */
public final class EigenCheck {
  private static final int TRIED = 20;

  public static void main(String[] args) {
    for (int size : new int[] {5, 20, 78}) {
      int wrong = 0;
      int wrongAsSymmetric = 0;
      for (int seed = 0; seed < TRIED; seed++) {
        Matrix symmetric = covariance(size, new Random(seed));
        Matrix rounded = symmetric.clone();
        for (int i = 0; i < size; i++) {
          for (int j = 0; j < i; j++) {
            rounded.set(i, j, Math.nextUp(rounded.get(i, j)));
          }
        }
        Vector right = new EigenDecomposition(symmetric).getRealEigenvalues();
        wrong += differ(right, new EigenDecomposition(rounded).getRealEigenvalues());
        wrongAsSymmetric += differ(right, new EigenDecomposition(rounded, true).getRealEigenvalues());
      }
      System.out.println(size + " " + TRIED + " " + wrong + " " + wrongAsSymmetric);
    }
  }

  private static Matrix covariance(int size, Random random) {
    Matrix rows = new DenseMatrix(size, size);
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < size; j++) {
        rows.set(i, j, random.nextGaussian() * Math.exp(-j / 4.0));
      }
    }
    Matrix covariance = rows.times(rows.transpose());
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < i; j++) {
        covariance.set(j, i, covariance.get(i, j));
      }
    }
    return covariance;
  }

  private static int differ(Vector right, Vector found) {
    double largest = Math.abs(right.get(0));
    for (int i = 0; i < right.size(); i++) {
      if (!(Math.abs(right.get(i) - found.get(i)) <= 1e-6 * largest)) {
        return 1;
      }
    }
    return 0;
  }
}
