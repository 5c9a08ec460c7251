// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main() of Kafka's own command line tools one after another in one JVM, as a JVM start for each command would
 * be most of the suite's time. A request is one line: the file for standard input (or empty), the class, its arguments,
 * separated by the ASCII unit separator. An answer is the line "exit outBytes errBytes" and then those bytes.
 */
public final class ToolServer {
    /** What the tools write goes to the current command's buffer; some tools keep the stream they found first. */
    private static final class Switch extends OutputStream {
        private volatile ByteArrayOutputStream target = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int value) {
            target.write(value);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int count) {
            target.write(bytes, from, count);
        }

        synchronized byte[] take() {
            byte[] bytes = target.toByteArray();
            target = new ByteArrayOutputStream();
            return bytes;
        }
    }

    /** Thrown where the tool would have ended the JVM. */
    private static final class ToolExit extends Error {
        private static final long serialVersionUID = 1L;
    }

    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static Integer exitCode;

    private ToolServer() {
    }

    private static void end(int code) {
        if (exitCode == null) {
            exitCode = code;
        }
        throw new ToolExit();
    }

    private static void call(String tool, String[] arguments) {
        exitCode = null;
        HOOKS.clear();
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException failed) {
            if (!(failed.getCause() instanceof ToolExit)) {
                failed.getCause().printStackTrace();
                exitCode = 1;
            }
        } catch (ReflectiveOperationException missing) {
            missing.printStackTrace();
            exitCode = 1;
        }
        for (Runnable hook : new ArrayList<>(HOOKS)) {
            hook.run();
        }
    }

    public static void main(String[] none) throws IOException {
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        DataOutputStream answers = new DataOutputStream(System.out);
        Switch out = new Switch();
        Switch err = new Switch();
        System.setOut(new PrintStream(out, true));
        System.setErr(new PrintStream(err, true));
        Exit.setExitProcedure((code, message) -> end(code));
        Exit.setHaltProcedure((code, message) -> end(code));
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String[] words = line.split("\u001f", -1);
            InputStream in = words[0].isEmpty() ? new ByteArrayInputStream(new byte[0]) : new FileInputStream(words[0]);
            System.setIn(in);
            call(words[1], Arrays.copyOfRange(words, 2, words.length));
            in.close();
            System.out.flush();
            System.err.flush();
            byte[] outBytes = out.take();
            byte[] errBytes = err.take();
            int code = exitCode == null ? 0 : exitCode;
            answers.write((code + " " + outBytes.length + " " + errBytes.length + "\n").getBytes(StandardCharsets.UTF_8));
            answers.write(outBytes);
            answers.write(errBytes);
            answers.flush();
        }
    }
}
