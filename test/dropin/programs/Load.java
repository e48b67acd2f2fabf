/* Load.java - threads that fill the heap and memory outside of it, which is malloc's; prints a sum
 * that does not depend on who comes first.
 *
 *   java -Xmx1g Load.java
 */
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

public class Load {
	static final int THREADS = 16, ROUNDS = 40;

	/* Deflater and direct buffers allocate by malloc, and so does the compiler of the hot loop. */
	static long work(int number) throws Exception {
		CRC32 sum = new CRC32();
		List<byte[]> kept = new ArrayList<>();
		for (int round = 0; round < ROUNDS; round++) {
			byte[] bytes = new byte[20000 + 1000 * number];
			for (int i = 0; i < bytes.length; i++)
				bytes[i] = (byte) (i * 31 + round * number);
			Deflater deflater = new Deflater(round % 9);
			deflater.setInput(bytes);
			deflater.finish();
			byte[] out = new byte[2 * bytes.length];
			int length = deflater.deflate(out);
			deflater.end();
			ByteBuffer direct = ByteBuffer.allocateDirect(length);
			direct.put(out, 0, length);
			direct.flip();
			sum.update(direct);
			kept.add(bytes);
			if (kept.size() > 10)
				kept.remove(0);
		}
		return sum.getValue();
	}

	public static void main(String[] args) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(THREADS);
		List<Future<Long>> results = new ArrayList<>();
		long all = 0;
		for (int i = 0; i < 4 * THREADS; i++) {
			final int number = i;
			results.add(pool.submit((Callable<Long>) () -> work(number)));
		}
		for (Future<Long> result : results)
			all = all * 31 + result.get();
		pool.shutdown();
		System.out.println(all);
	}
}
