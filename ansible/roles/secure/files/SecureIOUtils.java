package org.apache.hadoop.io;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * Open files of jobs only where they belong to the job's user, without native code.
 *
 * <p>Hadoop's own class of this name asks the kernel about the open file itself, which takes its
 * native library. This one looks at the path: the file must be a regular one (no symbolic link) of
 * the expected owner, and be the very same file before and after it was opened. Whoever may write
 * into its directory and swaps it twice within these calls is not found out; that is the weakness
 * compared with the original.
 */
public class SecureIOUtils {
  private SecureIOUtils() {}

  /** Tells that a file to be made is there already. */
  public static class AlreadyExistsException extends IOException {
    private static final long serialVersionUID = 1L;

    public AlreadyExistsException(String message) {
      super(message);
    }

    public AlreadyExistsException(Throwable cause) {
      super(cause);
    }
  }

  /** Open a file for random access after its owner was found right. */
  public static RandomAccessFile openForRandomRead(
      File file, String mode, String owner, String group) throws IOException {
    Object before = check(file, owner);
    return same(new RandomAccessFile(file, mode), file, owner, before);
  }

  /** Open a file as Hadoop's own stream after its owner was found right. */
  public static FSDataInputStream openFSDataInputStream(File file, String owner, String group)
      throws IOException {
    Object before = check(file, owner);
    FileSystem local = FileSystem.getLocal(new Configuration()).getRaw();
    return same(
        local.open(new org.apache.hadoop.fs.Path(file.getAbsolutePath())), file, owner, before);
  }

  /** Open a file for reading after its owner was found right. */
  public static FileInputStream openForRead(File file, String owner, String group)
      throws IOException {
    Object before = check(file, owner);
    return same(new FileInputStream(file), file, owner, before);
  }

  /** Make a file that was not there, with its permissions from the start. */
  public static FileOutputStream createForWrite(File file, int permissions) throws IOException {
    Set<PosixFilePermission> wanted = EnumSet.noneOf(PosixFilePermission.class);
    PosixFilePermission[] all = PosixFilePermission.values();
    for (int bit = 0; bit < all.length; bit++) {
      if ((permissions >> (all.length - 1 - bit) & 1) == 1) {
        wanted.add(all[bit]);
      }
    }
    try {
      Files.createFile(file.toPath(), PosixFilePermissions.asFileAttribute(wanted));
    } catch (FileAlreadyExistsException error) {
      throw new AlreadyExistsException(error);
    }
    return new FileOutputStream(file);
  }

  /** Return what identifies the file, or refuse it; without Kerberos nobody's name is proven. */
  private static Object check(File file, String owner) throws IOException {
    if (!UserGroupInformation.isSecurityEnabled()) {
      return null;
    }
    Path path = file.toPath();
    PosixFileAttributes found =
        Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    if (!found.isRegularFile()) {
      throw new IOException(file + " is not a regular file");
    }
    String name = found.owner().getName();
    if (owner != null && !owner.equals(name)) {
      throw new IOException("Owner '" + name + "' for path " + file
          + " did not match expected owner '" + owner + "'");
    }
    return found.fileKey();
  }

  /** Return the open file if it is still the one that was looked at. */
  private static <T extends java.io.Closeable> T same(
      T open, File file, String owner, Object before) throws IOException {
    boolean kept = false;
    try {
      Object after = check(file, owner);
      if (before != null && !before.equals(after)) {
        throw new IOException(file + " was replaced while it was opened");
      }
      kept = true;
      return open;
    } finally {
      if (!kept) {
        open.close();
      }
    }
  }
}
